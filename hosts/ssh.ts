import { createHash } from 'node:crypto';

import ssh2, { type ClientChannel, type ConnectConfig } from 'ssh2';

import { KilimError } from '../domain/errors.js';
import type { Credential } from '../domain/systems/system.js';
import type { HostAddress } from './host.js';

export interface HostKeys {
  find: (address: HostAddress) => Promise<string | null>;
  pin: (address: HostAddress, fingerprint: string) => Promise<void>;
}

/** One SSH connection; closed for good when the link breaks. */
export interface SshConnection {
  exec: (line: string) => Promise<ClientChannel>;
  isOpen: () => boolean;
  close: () => void;
}

const READY_TIMEOUT_MS = 15_000;

/**
 * Connects and logs in.
 * @throws KilimError HOST_UNREACHABLE, HOST_TIMEOUT, HOST_LOGIN_REFUSED, HOST_KEY_CHANGED
 */
export async function connectSsh(
  address: HostAddress,
  credential: Credential | null,
  keys: HostKeys,
): Promise<SshConnection> {
  const where = `${address.loginUser}@${address.host}:${address.port}`;
  if (!credential)
    throw new KilimError(
      'HOST_LOGIN_REFUSED',
      `No credential is registered for ${where} (system ${address.systemId}).`,
    );
  const pinned = await keys.find(address);
  let offered = '';
  const client = new ssh2.Client();
  let open = false;
  const config: ConnectConfig = {
    host: address.host,
    port: address.port > 0 ? address.port : 22,
    username: address.loginUser,
    readyTimeout: READY_TIMEOUT_MS,
    keepaliveInterval: 10_000,
    keepaliveCountMax: 3,
    hostVerifier: (key: Buffer) => {
      offered = `SHA256:${createHash('sha256').update(key).digest('base64').replace(/=+$/, '')}`;
      return pinned === null || pinned === offered;
    },
    ...(credential.privateKey ? { privateKey: credential.privateKey } : {}),
    ...(credential.password ? { password: credential.password } : {}),
  };
  await new Promise<void>((resolve, reject) => {
    const fail = (error: Error & { level?: string; code?: string }): void => {
      client.end();
      if (offered !== '' && pinned !== null && pinned !== offered) {
        reject(
          new KilimError(
            'HOST_KEY_CHANGED',
            `The host key of ${where} changed from ${pinned} to ${offered}.`,
          ),
        );
      } else if (error.level === 'client-authentication') {
        reject(new KilimError('HOST_LOGIN_REFUSED', `${where} refused the login.`));
      } else if (error.level === 'client-timeout') {
        reject(
          new KilimError('HOST_TIMEOUT', `${where} did not answer within ${READY_TIMEOUT_MS / 1000} s.`),
        );
      } else {
        reject(
          new KilimError(
            'HOST_UNREACHABLE',
            `${where} cannot be reached: ${error.message || (error.code ?? 'connection lost')}`,
          ),
        );
      }
    };
    client.on('error', fail); // stays: later errors end in `close`
    client.on('close', () => {
      open = false;
      fail(new Error('the connection was closed'));
    });
    client.on('ready', () => {
      open = true;
      client.setNoDelay(true); // ssh2 leaves Nagle on: 50 ms a command
      resolve();
    });
    try {
      client.connect(config);
    } catch (error) {
      // a key that cannot be parsed is thrown at once
      reject(
        new KilimError(
          'HOST_LOGIN_REFUSED',
          `The credential for ${where} cannot be used: ${error instanceof Error ? error.message : ''}`,
        ),
      );
    }
  });
  if (pinned === null) await keys.pin(address, offered);
  return {
    isOpen: () => open,
    close: () => client.end(),
    exec: (line) =>
      new Promise((resolve, reject) => {
        if (!open) return reject(new KilimError('HOST_UNREACHABLE', `The connection to ${where} is lost.`));
        const lost = (): void =>
          reject(
            new KilimError('OUTCOME_UNKNOWN', `The connection to ${where} broke while a command was sent.`),
          );
        client.once('close', lost);
        client.exec(line, (error, channel) => {
          client.off('close', lost);
          if (error) reject(error);
          else resolve(channel);
        });
      }),
  };
}
