import { execFileSync, spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { mkdirSync, chownSync } from 'node:fs';
import { userInfo } from 'node:os';
import { PassThrough, pipeline } from 'node:stream';

import { KilimError } from '../domain/errors.js';
import { consume, keeping, silence, sinkOf, STDERR_BYTES, tail } from './collect.js';
import type { Host, HostAddress } from './host.js';

/** This machine as a host, without sshd: for a person's own machine (design §3). */
export interface LocalSettings {
  /** Off unless `kilim up` or an operator switched it on. */
  isEnabled: boolean;
  /** The unprivileged account that runs jobs when Kilim itself is root. */
  runAs: string;
  /** Home folder of that account for Kilim's purposes. */
  home: string;
}

const LOCAL_NAMES = ['localhost', '127.0.0.1', '::1'];
const NAME = 'this machine';
const STREAM_STDERR_BYTES = 16_384;
const QUIET_MS = 200;
/** Linux allows 128 KiB (MAX_ARG_STRLEN). */
const MAX_ARGUMENT_BYTES = 96 * 1024;

/** A system without a port of its own on this machine's name is this machine itself. */
export const isLocal = (
  address: Pick<HostAddress, 'host' | 'port'>,
  settings: Pick<LocalSettings, 'isEnabled'>,
): boolean => settings.isEnabled && LOCAL_NAMES.includes(address.host) && address.port <= 0;

export function openLocal(settings: LocalSettings): Host {
  const account = accountOf(settings.runAs);
  mkdirSync(settings.home, { recursive: true, mode: 0o711 });
  if (account) chownSync(settings.home, account.uid, account.gid);
  // with all its groups: the container engine's may be among them
  const become = account
    ? ['setpriv', `--reuid=${account.uid}`, `--regid=${account.gid}`, '--init-groups']
    : [];
  const user = account ? settings.runAs : userInfo().username;
  const start = (line: string): ChildProcessWithoutNullStreams => {
    const isLong = Buffer.byteLength(line) > MAX_ARGUMENT_BYTES;
    const script = isLong ? `eval "$(head -c ${Buffer.byteLength(line)})"` : line;
    const [program, ...words] = [...become, 'bash', '--noprofile', '--norc', '-c', script];
    const child = spawn(program, words, {
      cwd: settings.home,
      detached: true, // a process group of its own, so that an abort ends all of it
      // nothing of Kilim's own environment: it holds secrets
      env: {
        PATH: process.env['PATH'] ?? '/usr/local/bin:/usr/bin:/bin',
        HOME: settings.home,
        LANG: 'C.UTF-8',
        USER: user,
        LOGNAME: user,
      },
      stdio: 'pipe',
    });
    child.stdin.on('error', () => undefined); // a command need not read what it is given
    if (isLong) child.stdin.write(line);
    return child;
  };
  return {
    name: NAME,
    identity: () => Promise.resolve(NAME),
    async run(command, options) {
      refuseAborted(options?.signal);
      const seconds = command.timeoutSeconds ?? 60;
      const child = start(command.line);
      const ending = guard(child, options?.signal, seconds);
      const faults: Error[] = [];
      const said = sinkOf(command, NAME, (error) => {
        faults.push(error);
        endGroup(child);
      });
      const complained = keeping(STDERR_BYTES);
      const all = Promise.all([consume(child.stdout, said.take), consume(child.stderr, complained.take)]);
      child.stdin.end(command.stdin ?? '');
      try {
        const exitCode = await exitOf(child);
        faults.forEach(throwIt);
        if (ending.why() === 'time')
          throw new KilimError('HOST_TIMEOUT', `${NAME} did not finish a command within ${seconds} s.`);
        if (ending.why() === 'abort')
          throw new KilimError('OUTCOME_UNKNOWN', `A command on ${NAME} was aborted.`);
        // a job launched in the background may keep a pipe open
        await Promise.race([all, silence([child.stdout, child.stderr], QUIET_MS)]);
        child.stdout.destroy();
        child.stderr.destroy();
        await all;
        faults.forEach(throwIt);
        return command.parse({ stdout: said.text(), stderr: complained.text(), exitCode });
      } finally {
        ending.off();
      }
    },
    // eslint-disable-next-line @typescript-eslint/require-await -- what is thrown here must reject
    async stream(line, options) {
      refuseAborted(options?.signal);
      const child = start(line);
      const ending = guard(child, options?.signal);
      const stderr = tail(child.stderr, STREAM_STDERR_BYTES);
      // Node drops what nobody has read yet when a child exits
      const stdout = pipeline(child.stdout, new PassThrough(), () => undefined);
      // a side that stops reading or writing half-way wants the command to end
      stdout.on('close', () => {
        if (!stdout.readableEnded) endGroup(child);
      });
      child.stdin.on('close', () => {
        if (child.stdin.errored) endGroup(child);
      });
      const done = exitOf(child)
        .then(async (exitCode) => {
          if (ending.why()) throw new KilimError('OUTCOME_UNKNOWN', `A command on ${NAME} was aborted.`);
          return {
            exitCode,
            stderr: await Promise.race([stderr, silence([child.stderr], QUIET_MS).then(() => '')]),
          };
        })
        .finally(ending.off);
      done.catch(() => undefined);
      return { stdin: child.stdin, stdout, done };
    },
  };
}

const throwIt = (error: Error): never => {
  throw error;
};

const refuseAborted = (signal?: AbortSignal): void => {
  if (signal?.aborted)
    throw new KilimError('HOST_UNREACHABLE', `${NAME}: ended before the command was sent.`);
};

/** Ends the command when its time is over or its caller is not interested any more. */
function guard(child: ChildProcessWithoutNullStreams, signal?: AbortSignal, seconds?: number) {
  let why: 'abort' | 'time' | null = null;
  const end = (reason: 'abort' | 'time'): void => {
    why ??= reason;
    endGroup(child);
  };
  const abort = (): void => end('abort');
  const timer = seconds === undefined ? undefined : setTimeout(() => end('time'), seconds * 1000);
  signal?.addEventListener('abort', abort, { once: true });
  return {
    why: () => why,
    off: () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
    },
  };
}

const exitOf = (child: ChildProcessWithoutNullStreams): Promise<number | null> =>
  new Promise((resolve, reject) => {
    child.on('error', (error) =>
      reject(new KilimError('HOST_UNREACHABLE', `No shell could be started: ${error.message}`)),
    );
    // `exit`, not `close`: a job launched in the background may keep a pipe open
    child.on('exit', (code) => setImmediate(() => resolve(code)));
  });

const endGroup = (child: ChildProcessWithoutNullStreams): void => {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // it ended by itself
  }
};

/** Only root can and must become somebody else. */
function accountOf(name: string): { uid: number; gid: number } | null {
  if (process.getuid?.() !== 0) return null;
  const id = (flag: string): number => Number(execFileSync('id', [flag, name], { encoding: 'utf8' }));
  return { uid: id('-u'), gid: id('-g') };
}
