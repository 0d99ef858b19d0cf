import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync, chownSync } from 'node:fs';

import { KilimError } from '../domain/errors.js';
import { collect } from './collect.js';
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

/** A system without a port of its own on this machine's name is this machine itself. */
export const isLocal = (address: Pick<HostAddress, 'host' | 'port'>, settings: LocalSettings): boolean =>
  settings.isEnabled && LOCAL_NAMES.includes(address.host) && address.port <= 0;

export function openLocal(settings: LocalSettings): Host {
  const account = accountOf(settings.runAs);
  mkdirSync(settings.home, { recursive: true, mode: 0o711 });
  if (account) chownSync(settings.home, account.uid, account.gid);
  const start = (line: string, signal?: AbortSignal): ChildProcess => {
    const child = spawn('bash', ['--noprofile', '--norc', '-c', line], {
      ...(account ?? {}),
      cwd: settings.home,
      detached: true, // a process group of its own, so that an abort ends all of it
      env: {
        PATH: process.env['PATH'] ?? '/usr/local/bin:/usr/bin:/bin',
        HOME: settings.home,
        LANG: 'C.UTF-8',
        USER: settings.runAs,
      },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    signal?.addEventListener('abort', () => endGroup(child), { once: true });
    return child;
  };
  return {
    name: 'this machine',
    async run(command, options) {
      const child = start(command.line, options?.signal);
      const done = finished(child);
      child.stdin?.on('error', () => undefined);
      child.stdin?.end(command.stdin ?? '');
      const reply = collect(child.stdout, child.stderr);
      const timer = setTimeout(() => endGroup(child), (command.timeoutSeconds ?? 60) * 1000);
      try {
        const exitCode = await done;
        if (options?.signal?.aborted) throw new KilimError('OUTCOME_UNKNOWN', 'The command was aborted.');
        return command.parse({ ...(await reply), exitCode });
      } finally {
        clearTimeout(timer);
      }
    },
    stream(line, options) {
      const child = start(line, options?.signal);
      if (!child.stdin || !child.stdout || !child.stderr)
        throw new KilimError('INTERNAL', 'A child without streams.');
      const stderr = collect(null, child.stderr, 16_384);
      const done = finished(child).then(async (exitCode) => ({ exitCode, stderr: (await stderr).stderr }));
      done.catch(() => undefined);
      return Promise.resolve({ stdin: child.stdin, stdout: child.stdout, done });
    },
  };
}

const finished = (child: ChildProcess): Promise<number | null> =>
  new Promise((resolve, reject) => {
    child.on('error', (error) =>
      reject(new KilimError('HOST_UNREACHABLE', `No shell could be started: ${error.message}`)),
    );
    // `exit`, not `close`: a job launched in the background may keep a pipe open
    child.on('exit', (code) => setImmediate(() => resolve(code)));
  });

const endGroup = (child: ChildProcess): void => {
  if (child.pid === undefined || child.exitCode !== null) return;
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
