import { createHash } from 'node:crypto';
import { connect as connectSocket } from 'node:net';

import ssh2, { type CipherAlgorithm, type ClientChannel } from 'ssh2';

import { KilimError } from '../domain/errors.js';
import type { Credential } from '../domain/systems/system.js';
import type { HostAddress } from './host.js';
import { addressesOf, ANYWHERE, lookupIn, type Reach } from './reach.js';

export interface HostKeys {
  find: (address: HostAddress) => Promise<string | null>;
  /**
   * Keeps the key of the first connection.
   * @throws KilimError HOST_KEY_CHANGED where another key was kept meanwhile, or where the system was moved
   */
  pin: (address: HostAddress, fingerprint: string) => Promise<void>;
}

/** One SSH connection; closed for good when the link breaks. */
export interface SshConnection {
  /** The fingerprint of the host's key. */
  hostKey: string;
  /** Null where the host has no room for another channel now. */
  exec: (line: string) => Promise<ClientChannel | null>;
  isOpen: () => boolean;
  close: () => void;
}

/** ssh2 likes ChaCha20 best, which costs it several times the processor time of AES with the hardware's help. */
const FAST_CIPHERS: CipherAlgorithm[] = ['aes128-gcm@openssh.com', 'aes256-gcm@openssh.com'];
const READY_TIMEOUT_MS = 10_000;

export const nameOf = ({ loginUser, host, port }: HostAddress): string =>
  `${loginUser}@${host}:${port > 0 ? port : 22}`;

/**
 * Connects and logs in.
 * @throws KilimError HOST_UNREACHABLE, HOST_TIMEOUT, HOST_LOGIN_REFUSED, HOST_KEY_CHANGED
 */
export async function connectSsh(
  address: HostAddress,
  credential: Credential | null,
  keys: HostKeys,
  reach: Reach = ANYWHERE,
): Promise<SshConnection> {
  const where = nameOf(address);
  if (!credential)
    throw new KilimError(
      'HOST_LOGIN_REFUSED',
      `No credential is registered for ${where} (system ${address.systemId}).`,
    );
  const { addresses, isListed } = await addressesOf(address.host, where, reach);
  const pinned = await keys.find(address);
  const client = new ssh2.Client();
  const state = { isOpen: false, isReached: false, offered: '' };
  await new Promise<void>((resolve, reject) => {
    const fail = (error: Error): void => {
      state.isOpen = false;
      client.end();
      const attempt = { ...state, pinned };
      const fault = faultOf(error, where, attempt);
      reject(reach.isTold || isListed ? fault : withheld(fault, where, attempt));
    };
    client.on('error', fail); // stays: later errors end in `close`
    client.on('close', () => fail(new Error('the connection was closed')));
    client.on('connect', () => (state.isReached = true));
    client.on('ready', () => {
      state.isOpen = true;
      client.setNoDelay(true); // ssh2 leaves Nagle on: 50 ms a command
      resolve();
    });
    const sock = connectSocket({
      host: address.host,
      port: address.port > 0 ? address.port : 22,
      lookup: lookupIn(addresses),
    });
    sock.setMaxListeners(0); // ssh2 adds one for each channel
    try {
      client.connect({
        sock,
        username: address.loginUser,
        readyTimeout: READY_TIMEOUT_MS,
        keepaliveInterval: 10_000,
        keepaliveCountMax: 3,
        algorithms: { cipher: { prepend: FAST_CIPHERS, append: [], remove: [] } },
        hostVerifier: (key: Buffer) => {
          state.offered = fingerprintOf(key);
          return pinned === null || pinned === state.offered;
        },
        ...(credential.privateKey ? { privateKey: credential.privateKey } : {}),
        ...(credential.password ? { password: credential.password } : {}),
      });
    } catch (error) {
      // a key that cannot be parsed is thrown at once
      sock.on('error', () => undefined).destroy();
      const why = error instanceof Error ? error.message : '';
      reject(new KilimError('HOST_LOGIN_REFUSED', `The credential for ${where} cannot be used: ${why}`));
    }
  });
  if (pinned === null) {
    await keys.pin(address, state.offered).catch((error: unknown) => {
      client.end();
      throw error;
    });
  }
  return {
    hostKey: state.offered,
    isOpen: () => state.isOpen,
    close: () => client.end(),
    exec: (line) => exec(client, line, where, () => state.isOpen),
  };
}

const fingerprintOf = (key: Buffer): string =>
  `SHA256:${createHash('sha256').update(key).digest('base64').replaceAll('=', '')}`;

export const keyChanged = (where: string, from: string | null, to: string): KilimError =>
  new KilimError('HOST_KEY_CHANGED', `The host key of ${where} changed from ${from ?? 'none'} to ${to}.`);

interface Attempt {
  isReached: boolean;
  offered: string;
  pinned: string | null;
}

function faultOf(
  error: Error & { level?: string; code?: string },
  where: string,
  { isReached, offered, pinned }: Attempt,
): KilimError {
  if (offered !== '' && pinned !== null && pinned !== offered) return keyChanged(where, pinned, offered);
  if (error.level === 'client-authentication')
    return new KilimError('HOST_LOGIN_REFUSED', `${where} refused the login.`);
  if (error.level === 'client-timeout' && isReached)
    return new KilimError('HOST_TIMEOUT', `${where} did not answer within ${READY_TIMEOUT_MS / 1000} s.`);
  const why = error.message || (error.code ?? 'connection lost');
  const fault = new KilimError('HOST_UNREACHABLE', `${where} cannot be reached: ${why}`);
  if (isReached && offered === '' && error.level !== 'handshake') dropped.add(fault);
  return fault;
}

/**
 * The same wording for every failed connection to a host that has not shown the pinned host key: a user could otherwise learn
 * which ports are open, and which programs listen there. A host's name proves nothing, as it may lead elsewhere by now.
 */
function withheld(fault: KilimError, where: string, { pinned, offered }: Attempt): KilimError {
  if (fault.code === 'HOST_KEY_CHANGED' || (pinned !== null && offered === pinned)) return fault;
  const same =
    pinned === null
      ? new KilimError(
          'HOST_UNREACHABLE',
          `${where} could not be logged in to: no SSH server answers there, or it refuses the login. Which of them is told once a login there has succeeded.`,
          { isFirst: true, said: fault.message },
        )
      : new KilimError('HOST_UNREACHABLE', `${where} cannot be reached.`, { said: fault.message });
  if (dropped.has(fault)) dropped.add(same);
  if (offered !== '') alive.add(same);
  return same;
}

const alive = new WeakSet<object>();

/** Whether the host did answer, though the message does not say so: a login that it refused is no fault of the host. */
export const hasAnswered = (error: unknown): boolean =>
  typeof error === 'object' && error !== null && alive.has(error);

const dropped = new WeakSet<object>();

/** The host took the connection and ended it before it said who it is: so does an sshd with too many logins under way. */
export const isDropped = (error: unknown): boolean =>
  typeof error === 'object' && error !== null && dropped.has(error);

/** Noted as the channel opens: the answer of a quick command comes in one packet with its exit, before anybody else listens. */
const exits = new WeakMap<ClientChannel, Promise<number | null>>();

/** The exit code of the command on a channel, null for a signal; never resolves where the channel ended without one. */
export const exitCodeOf = (channel: ClientChannel): Promise<number | null> =>
  exits.get(channel) ?? new Promise((ended) => channel.once('exit', ended));

/**
 * Opens a channel and starts a command on it.
 * @throws KilimError HOST_UNREACHABLE (not sent), OUTCOME_UNKNOWN (the link broke meanwhile), REMOTE_ACCESS_DENIED
 */
const exec = (
  client: ssh2.Client,
  line: string,
  where: string,
  isOpen: () => boolean,
): Promise<ClientChannel | null> =>
  new Promise((resolve, reject) => {
    if (!isOpen()) return reject(new KilimError('HOST_UNREACHABLE', `The connection to ${where} is lost.`));
    const lost = (): void =>
      reject(new KilimError('OUTCOME_UNKNOWN', `The connection to ${where} broke while a command was sent.`));
    client.once('close', lost);
    client.exec(line, (error, channel) => {
      client.off('close', lost);
      if (!error) {
        exits.set(channel, new Promise((ended) => channel.once('exit', ended)));
        return resolve(channel);
      }
      if (/Channel open failure/i.test(error.message)) return resolve(null);
      // ssh2 answers waiting calls before it says that the link is lost
      if (/Unable to exec/i.test(error.message))
        reject(new KilimError('REMOTE_ACCESS_DENIED', `${where} refuses to run commands.`));
      else lost();
    });
  });

/**
 * Ends the remote process and frees the channel. Closing alone would leave the process running, and a
 * channel whose output nobody reads never says `close`.
 */
export function endChannel(channel: ClientChannel): void {
  kill(channel);
  channel.close();
  channel.unpipe();
  channel.resume();
  channel.stderr.resume();
}

/** sshd (OpenSSH from 8.1) signals the whole process group of the command. */
function kill(channel: ClientChannel): void {
  // channel.signal() does nothing once stdin has ended, so this speaks the protocol itself
  const inner = channel as unknown as {
    _client?: { _protocol?: { signal?: (id: number, name: string) => void } };
    outgoing?: { id: number; state: string };
  };
  const state = inner.outgoing?.state;
  if (!inner.outgoing || (state !== 'open' && state !== 'eof')) return;
  try {
    inner._client?._protocol?.signal?.(inner.outgoing.id, 'KILL');
  } catch {
    // the link is gone, and its channels with it
  }
}
