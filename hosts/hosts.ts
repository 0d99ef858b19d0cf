import type { ClientChannel } from 'ssh2';

import { KilimError } from '../domain/errors.js';
import type { Credential } from '../domain/systems/system.js';
import { collect } from './collect.js';
import type { Host, HostAddress } from './host.js';
import { isLocal, openLocal, type LocalSettings } from './local.js';
import { connectSsh, type HostKeys, type SshConnection } from './ssh.js';

export interface HostsOptions {
  /** Injected: `hosts/` knows no store. */
  findCredential: (address: HostAddress) => Promise<Credential | null>;
  hostKeys: HostKeys;
  local: LocalSettings;
}

export interface Hosts {
  open: (address: HostAddress) => Promise<Host>;
  /** Logs in on a new connection and closes it again. */
  probe: (address: HostAddress) => Promise<void>;
  /** The same with a credential that is not registered yet. */
  check: (address: HostAddress, credential: Credential) => Promise<void>;
  sessions: () => number;
  close: () => void;
}

/** Below sshd's MaxSessions (10), which counts channels that are still closing. */
const MAX_CHANNELS = 7;
const IDLE_MS = 10 * 60_000;

/** All hosts of a program: one connection per host and login user, kept, with a queue for its channels. */
export function createHosts(options: HostsOptions): Hosts {
  const pool = new Map<string, Pooled>();
  let local: Host | null = null;
  const credentialOf = options.findCredential;
  return {
    open(address) {
      if (isLocal(address, options.local)) return Promise.resolve((local ??= openLocal(options.local)));
      const key = [address.tenant, address.host, address.port, address.loginUser, address.systemId].join(' ');
      let pooled = pool.get(key);
      if (!pooled) pool.set(key, (pooled = createPooled(address, () => connect(address))));
      return Promise.resolve(pooled.host);
    },
    async probe(address) {
      if (isLocal(address, options.local)) return;
      (await connect(address)).close();
    },
    async check(address, credential) {
      if (isLocal(address, options.local)) return;
      // the system may not exist yet: its key is pinned by its first real use
      (
        await connectSsh(address, credential, { find: options.hostKeys.find, pin: () => Promise.resolve() })
      ).close();
    },
    sessions: () => [...pool.values()].filter(({ isOpen }) => isOpen()).length,
    close: () => pool.forEach(({ close }) => close()),
  };
  async function connect(address: HostAddress): Promise<SshConnection> {
    return connectSsh(address, await credentialOf(address), options.hostKeys);
  }
}

interface Pooled {
  host: Host;
  isOpen: () => boolean;
  close: () => void;
}

function createPooled(address: HostAddress, connect: () => Promise<SshConnection>): Pooled {
  const name = `${address.loginUser}@${address.host}:${address.port}`;
  let connection: Promise<SshConnection> | null = null;
  let current: SshConnection | null = null;
  let busy = 0;
  let idle: NodeJS.Timeout | undefined;
  const queue: (() => void)[] = [];

  async function channel(line: string): Promise<ClientChannel> {
    if (busy >= MAX_CHANNELS) await new Promise<void>((resolve) => queue.push(resolve));
    else busy++;
    clearTimeout(idle);
    try {
      for (let attempt = 0; ; attempt++) {
        try {
          const opened = await (await connected()).exec(line);
          opened.once('close', free);
          return opened;
        } catch (error) {
          // sshd still counts a channel that is closing: a moment later there is room
          if (error instanceof KilimError || attempt > 40) throw error;
          await new Promise((resolve) => setTimeout(resolve, 10 + 10 * attempt));
        }
      }
    } catch (error) {
      free();
      throw error instanceof KilimError
        ? error
        : new KilimError('HOST_UNREACHABLE', `${name}: ${String(error)}`);
    }
  }
  function free(): void {
    const next = queue.shift();
    if (next) return next();
    busy--;
    if (busy === 0) idle = setTimeout(() => current?.close(), IDLE_MS).unref();
  }
  async function connected(): Promise<SshConnection> {
    if (current?.isOpen()) return current;
    connection ??= connect().finally(() => (connection = null)); // one login for all who wait
    return (current = await connection);
  }

  const host: Host = {
    name,
    async run(command, runOptions) {
      const opened = await channel(asLine(command.line));
      const end = finished(opened, name);
      const reply = collect(opened, opened.stderr);
      const limit = (command.timeoutSeconds ?? 60) * 1000;
      let late = false;
      const timer = setTimeout(() => {
        late = true;
        opened.close();
      }, limit);
      const abort = (): void => opened.close();
      runOptions?.signal?.addEventListener('abort', abort, { once: true });
      opened.end(command.stdin ?? '');
      try {
        const exitCode = await end;
        return command.parse({ ...(await reply), exitCode });
      } catch (error) {
        if (late)
          throw new KilimError('HOST_TIMEOUT', `${name} did not finish a command within ${limit / 1000} s.`);
        throw error;
      } finally {
        clearTimeout(timer);
        runOptions?.signal?.removeEventListener('abort', abort);
      }
    },
    async stream(line, streamOptions) {
      const opened = await channel(asLine(line));
      streamOptions?.signal?.addEventListener('abort', () => opened.close(), { once: true });
      const stderr = collect(null, opened.stderr, 16_384);
      const done = finished(opened, name).then(async (exitCode) => ({
        exitCode,
        stderr: (await stderr).stderr,
      }));
      done.catch(() => undefined);
      return { stdin: opened, stdout: opened, done };
    },
  };
  return { host, isOpen: () => current?.isOpen() ?? false, close: () => current?.close() };
}

/** Exits with the command's code, or rejects when the channel ended without one. */
const finished = (channel: ClientChannel, name: string): Promise<number | null> =>
  new Promise((resolve, reject) => {
    let code: number | null | undefined;
    channel.on('exit', (exitCode: number | null) => (code = exitCode));
    channel.on('error', () => undefined);
    channel.on('close', () => {
      if (code === undefined)
        reject(new KilimError('OUTCOME_UNKNOWN', `The connection to ${name} broke before the answer came.`));
      else resolve(code);
    });
  });

/**
 * A line for whatever login shell the account has: no new line, no exclamation mark, no quote inside.
 * bash reads no start-up file of its own; the login shell's cannot be avoided here.
 */
const asLine = (script: string): string =>
  `exec bash --noprofile --norc -c 'eval "$(echo ${Buffer.from(script).toString('base64')} | base64 -d)"'`;
