import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';

import type { ClientChannel } from 'ssh2';

import { KilimError } from '../domain/errors.js';
import { createBreaker } from './breaker.js';
import { createGate, type Gate } from './gate.js';
import { endedEarly, openShell, SHELL, shellLine, untilMark, type ShellChannel } from './shell-channel.js';
import { endChannel, exitCodeOf, type SshConnection } from './ssh.js';

/** The channels to one host for one login: as few connections as will do, kept while they are used. */
export interface SshPool {
  /** A channel on which `line` runs, given to whatever login shell the account has. Freed when it closes. */
  channel: (line: string, use: Use, signal?: AbortSignal) => Promise<ClientChannel>;
  /**
   * Lends a shell; null where this host gives none, and for a long command that would leave too few to short ones.
   * The way back is to be called once.
   */
  shell: (
    isLong: boolean,
    signal?: AbortSignal,
  ) => Promise<{ shell: ShellChannel; giveBack: () => void } | null>;
  /** A command was answered. */
  heard: () => void;
  /** A command that was sent at `since` (of `performance.now()`) was not answered in time. */
  timedOut: (error: KilimError, since: number) => void;
  sessions: () => number;
  close: () => void;
}

/**
 * Streams last as long as their reader wants. Commands therefore have places of their own, and long commands leave one of
 * these to short ones.
 */
export type Use = 'stream' | 'command' | 'long command';

export interface PoolLimits {
  /** Together below sshd's MaxSessions (10), which counts channels that are still closing. */
  channels: number;
  shells: number;
  /** As many as channels and shells: some hosts give each connection one session. */
  connections: number;
  idleMs: number;
  /** How long a command or stream waits for its turn, in milliseconds; absent: without a limit. */
  waitMs?: number;
}

export const LIMITS: PoolLimits = { channels: 4, shells: 4, connections: 8, idleMs: 10 * 60_000 };

/** About 10 s in all; a host without room that long, with none of it ours, counts as unreachable. */
const MAX_ATTEMPTS = 40;
/** At every so many-th attempt a further connection is opened. */
const ATTEMPTS_PER_CONNECTION = 5;
const PROBE_MS = 15_000;
const WITHOUT_SHELLS_MS = 10 * 60_000;

/** Nobody prints it by chance. */
const aMark = (): string => `kilim-${randomBytes(8).toString('hex')}`;

export function createPool(
  name: string,
  connect: () => Promise<SshConnection>,
  limits: PoolLimits = LIMITS,
): SshPool {
  let connections: SshConnection[] = [];
  const sessionsOn = new WeakMap<SshConnection, number>();
  /** What the host has shown to allow on one connection (its MaxSessions, or less): beyond it nothing is asked for. */
  let most = Infinity;
  let connecting: Promise<void> | null = null;
  const idleShells: ShellChannel[] = [];
  const wanting = new Set<(shell: ShellChannel) => void>();
  let shellsFrom = 0;
  let idle: NodeJS.Timeout | undefined;
  const forChannels = createGate(limits.channels);
  const forShells = createGate(limits.shells);
  const breaker = createBreaker(['host', 'login', 'hostKey']);

  /** Where the host does not answer, everything that waits at the gates fails now instead of trying one after the other. */
  const failed = (error: unknown, since: number): void => {
    if (!breaker.failed(error, since)) return;
    forChannels.refuse(breaker.refusal);
    forShells.refuse(breaker.refusal);
  };

  /** Whether a command may take a place: a long one always leaves one to short commands. */
  const hasPlace = (isLong: boolean): boolean => !isLong || forShells.inside() < limits.shells - 1;

  const channel: SshPool['channel'] = async (line, use, signal) => {
    const isCommand = use !== 'stream' && hasPlace(use === 'long command');
    const leave = await enter(isCommand ? forShells : forChannels, signal);
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
    const hasShells = (): boolean => performance.now() >= shellsFrom;
    if (!hasShells() || !hasPlace(isLong)) return null;
    const leave = await enter(forShells, signal);
    try {
      // the host may have shown meanwhile that it gives no shells, and every try would take as long as that one
      const ready = hasShells() ? (idleShell() ?? (await freshShell(signal))) : null;
      if (!ready) leave();
      return ready && { shell: ready, giveBack: () => returned(ready, leave) };
    } catch (error) {
      leave();
      throw error;
    }
  };

  const idleShell = (): ShellChannel | undefined => {
    let found = idleShells.pop();
    while (found && !found.isAlive()) found = idleShells.pop();
    return found;
  };

  async function freshShell(signal?: AbortSignal): Promise<ShellChannel | null> {
    const mark = aMark();
    const opened = await open(shellLine(mark), signal, untilGivenBack);
    if ('run' in opened) return opened;
    try {
      return await openShell(opened, name, mark);
    } catch (error) {
      // nothing was asked yet, so nothing is unknown
      if (!connections.some((connection) => connection.isOpen()))
        throw new KilimError('HOST_UNREACHABLE', `The connection to ${name} broke.`, {
          cause: String(error),
        });
      const code = await Promise.race([exitCodeOf(opened), sleep(50, null)]);
      if (code !== null && !(await servesCommands(signal))) throw endedEarly(name, code);
      // start-up files that eat the input, or a host that serves single commands only: for a while every command
      // gets a channel of its own
      shellsFrom = performance.now() + WITHOUT_SHELLS_MS;
      return null;
    }
  }

  async function servesCommands(signal?: AbortSignal): Promise<boolean> {
    const mark = aMark();
    const opened = await open(`${SHELL} -c 'echo; echo ${mark} 0'`, signal);
    const said = untilMark(opened, mark).then(() => true);
    // a quick command's words come in one packet with its end, and count
    const ended = new Promise<boolean>((resolve) => opened.once('close', () => setImmediate(resolve, false)));
    opened.on('error', () => undefined).stderr.resume();
    opened.end();
    const serves = await Promise.race([said, ended, sleep(PROBE_MS, false)]);
    endChannel(opened);
    return serves;
  }

  const returned = (used: ShellChannel, leave: () => void): void => {
    const [first] = wanting;
    if (used.isAlive()) {
      if (first) first(used);
      else idleShells.push(used);
    }
    leave();
  };

  /** Where there is no room for one more, a shell that comes back will do. Who waits here came before those at the gate. */
  function untilGivenBack(ms: number): Promise<ShellChannel | null> {
    const found = idleShell();
    if (found) return Promise.resolve(found);
    return new Promise((resolve) => {
      const end = (shell: ShellChannel | null): void => {
        clearTimeout(timer);
        wanting.delete(end);
        resolve(shell);
      };
      const timer = setTimeout(() => end(null), ms);
      wanting.add(end);
    });
  }

  /** An idle shell makes room; sshd still counts it for a moment. */
  function makeRoom(ms: number): Promise<null> {
    idleShell()?.end();
    return sleep(ms, null);
  }

  async function enter(gate: Gate, signal?: AbortSignal): Promise<() => void> {
    breaker.check();
    const leave = await inTime(gate, signal);
    clearTimeout(idle); // not before: what is refused leaves nothing behind that would set it again
    return () => {
      leave();
      if (forChannels.inside() + forShells.inside() === 0) {
        clearTimeout(idle);
        idle = setTimeout(close, limits.idleMs).unref();
      }
    };
  }

  async function inTime(gate: Gate, signal?: AbortSignal): Promise<() => void> {
    const late = new AbortController();
    const { waitMs } = limits;
    const timer = waitMs === undefined ? undefined : setTimeout(() => late.abort(), waitMs);
    try {
      return await gate.enter(signal ? AbortSignal.any([signal, late.signal]) : late.signal);
    } catch (error) {
      if (error instanceof KilimError) throw error; // the host does not answer
      if (late.signal.aborted && !signal?.aborted)
        throw new KilimError(
          'HOST_BUSY',
          `${name} had no turn for a command within ${(waitMs ?? 0) / 1000} s.`,
        );
      throw new KilimError('HOST_UNREACHABLE', `${name}: ended before the command was sent.`);
    } finally {
      clearTimeout(timer);
    }
  }

  /** A host without room is asked again, on this connection and then on another. */
  async function open<Instead extends ShellChannel = never>(
    line: string,
    signal?: AbortSignal,
    wait: (ms: number) => Promise<Instead | null> = makeRoom,
  ): Promise<ClientChannel | Instead> {
    let mayGrow = true;
    for (let attempt = 1, inVain = 0; inVain < MAX_ATTEMPTS; attempt++) {
      if (signal?.aborted)
        throw new KilimError('HOST_UNREACHABLE', `${name}: ended before the command was sent.`);
      breaker.check();
      connections = connections.filter((connection) => connection.isOpen());
      if (connections.length === 0) await another();
      for (const connection of connections) {
        const opened = await session(connection, line);
        if (opened) return opened;
      }
      // room that our own sessions take comes back, as at the gate
      if (!connections.some((connection) => sessionsOn.get(connection))) inVain++;
      if (mayGrow && attempt % ATTEMPTS_PER_CONNECTION === 0 && connections.length < limits.connections)
        await another().catch(() => (mayGrow = false));
      const instead = await wait(10 * Math.min(attempt, MAX_ATTEMPTS));
      if (instead) return instead;
    }
    throw new KilimError('HOST_UNREACHABLE', `${name} has no room for another session.`);
  }

  async function session(connection: SshConnection, line: string): Promise<ClientChannel | null> {
    const before = sessionsOn.get(connection) ?? 0;
    if (!connection.isOpen() || before >= most) return null;
    sessionsOn.set(connection, before + 1);
    const ended = (): number => {
      const left = (sessionsOn.get(connection) ?? 1) - 1;
      sessionsOn.set(connection, left);
      return left;
    };
    try {
      const opened = await connection.exec(line);
      if (opened) opened.once('close', ended);
      else most = Math.min(most, ended() || most);
      return opened;
    } catch (error) {
      ended();
      throw error;
    }
  }

  /** One login for all who wait. */
  const another = (): Promise<void> => {
    const since = performance.now();
    return (connecting ??= connect()
      .then((connection) => void connections.push(connection))
      .catch((error: unknown) => {
        // a host that refuses another login may still serve the connections that it has
        if (!connections.some((connection) => connection.isOpen())) failed(error, since);
        throw error;
      })
      .finally(() => (connecting = null)));
  };

  const close = (): void => {
    clearTimeout(idle);
    idleShells.length = 0;
    connections.forEach((connection) => connection.close());
    connections = [];
    most = Infinity;
  };

  return {
    channel,
    shell,
    heard: breaker.heard,
    timedOut: failed,
    sessions: () => connections.filter((connection) => connection.isOpen()).length,
    close,
  };
}
