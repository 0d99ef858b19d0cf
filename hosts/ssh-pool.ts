import { setTimeout as sleep } from 'node:timers/promises';

import type { ClientChannel } from 'ssh2';

import { KilimError } from '../domain/errors.js';
import { createGate } from './gate.js';
import { openShell, SHELL_LINE, type ShellChannel } from './shell-channel.js';
import { exitCodeOf, type SshConnection } from './ssh.js';

/** The channels to one host for one login: as few connections as will do, kept while they are used. */
export interface SshPool {
  /** A channel on which `line` runs, given to whatever login shell the account has. Freed when it closes. */
  channel: (line: string, signal?: AbortSignal) => Promise<ClientChannel>;
  /**
   * Lends a shell; null where this host gives none, and for a long command that would leave too few to short ones.
   * The way back is to be called once.
   */
  shell: (
    isLong: boolean,
    signal?: AbortSignal,
  ) => Promise<{ shell: ShellChannel; giveBack: () => void } | null>;
  sessions: () => number;
  close: () => void;
}

export interface PoolLimits {
  /** Together below sshd's MaxSessions (10), which counts channels that are still closing. */
  channels: number;
  shells: number;
  connections: number;
  idleMs: number;
}

export const LIMITS: PoolLimits = { channels: 4, shells: 4, connections: 3, idleMs: 10 * 60_000 };

/** About 10 s in all; a host without room that long counts as unreachable. */
const MAX_ATTEMPTS = 40;
const WITHOUT_SHELLS_MS = 10 * 60_000;

export function createPool(
  name: string,
  connect: () => Promise<SshConnection>,
  limits: PoolLimits = LIMITS,
): SshPool {
  let connections: SshConnection[] = [];
  let connecting: Promise<void> | null = null;
  const idleShells: ShellChannel[] = [];
  let shellsFrom = 0;
  let idle: NodeJS.Timeout | undefined;
  const forChannels = createGate(limits.channels);
  const forShells = createGate(limits.shells);

  const channel = async (line: string, signal?: AbortSignal): Promise<ClientChannel> => {
    const leave = await enter(forChannels, signal);
    try {
      const opened = await open(line, signal);
      opened.once('close', leave);
      return opened;
    } catch (error) {
      leave();
      throw error;
    }
  };

  const shell: SshPool['shell'] = async (isLong, signal) => {
    if (Date.now() < shellsFrom) return null;
    if (isLong && forShells.inside() >= limits.shells - 1) return null;
    const leave = await enter(forShells, signal);
    try {
      let lent = idleShells.pop();
      while (lent && !lent.isAlive()) lent = idleShells.pop();
      const ready = lent ?? (await freshShell(signal));
      if (!ready) leave();
      return ready && { shell: ready, giveBack: () => returned(ready, leave) };
    } catch (error) {
      leave();
      throw error;
    }
  };

  async function freshShell(signal?: AbortSignal): Promise<ShellChannel | null> {
    const opened = await open(SHELL_LINE, signal);
    try {
      return await openShell(opened, name);
    } catch (error) {
      // nothing was asked yet, so nothing is unknown
      if (!connections.some((connection) => connection.isOpen()))
        throw new KilimError('HOST_UNREACHABLE', `The connection to ${name} broke.`, {
          cause: String(error),
        });
      // nothing but its start-up files can end a shell that was told nothing
      const code = await Promise.race([exitCodeOf(opened), sleep(50, null)]);
      if (code !== null)
        throw new KilimError(
          'HOST_LOGIN_REFUSED',
          `The login shell on ${name} ends with ${code} before it runs a command: a start-up file of the account ` +
            '(.bashrc, .cshrc, …) ends it, or bash is missing there.',
        );
      // start-up files that eat the input, perhaps: for a while every command gets a channel of its own
      shellsFrom = Date.now() + WITHOUT_SHELLS_MS;
      return null;
    }
  }

  const returned = (used: ShellChannel, leave: () => void): void => {
    if (used.isAlive()) idleShells.push(used);
    leave();
  };

  async function enter(gate: typeof forChannels, signal?: AbortSignal): Promise<() => void> {
    clearTimeout(idle);
    const leave = await gate.enter(signal).catch(() => {
      throw new KilimError('HOST_UNREACHABLE', `${name}: ended before the command was sent.`);
    });
    return () => {
      leave();
      if (forChannels.inside() + forShells.inside() === 0) {
        clearTimeout(idle);
        idle = setTimeout(close, limits.idleMs).unref();
      }
    };
  }

  /** A host without room is asked again, on this connection and then on another. */
  async function open(line: string, signal?: AbortSignal): Promise<ClientChannel> {
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      if (signal?.aborted)
        throw new KilimError('HOST_UNREACHABLE', `${name}: ended before the command was sent.`);
      connections = connections.filter((connection) => connection.isOpen());
      if (connections.length === 0) await another();
      for (const connection of connections) {
        if (!connection.isOpen()) continue;
        const opened = await connection.exec(line);
        if (opened) return opened;
      }
      // sshd still counts a channel that is closing: a moment later there is room
      idleShells.pop()?.end();
      if (attempt === 4 && connections.length < limits.connections) await another().catch(() => undefined);
      await new Promise((resolve) => setTimeout(resolve, 10 + 10 * attempt));
    }
    throw new KilimError('HOST_UNREACHABLE', `${name} has no room for another session.`);
  }

  /** One login for all who wait. */
  const another = (): Promise<void> =>
    (connecting ??= connect()
      .then((connection) => void connections.push(connection))
      .finally(() => (connecting = null)));

  const close = (): void => {
    clearTimeout(idle);
    idleShells.length = 0;
    connections.forEach((connection) => connection.close());
    connections = [];
  };

  return {
    channel,
    shell,
    sessions: () => connections.filter((connection) => connection.isOpen()).length,
    close,
  };
}
