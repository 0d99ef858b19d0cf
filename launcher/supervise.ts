import { spawn, type ChildProcess } from 'node:child_process';
import { createWriteStream } from 'node:fs';

export interface Program {
  name: string;
  command: string;
  args: string[];
  env: NodeJS.ProcessEnv;
  logFile: string;
}

export interface Supervised {
  pid: () => number | undefined;
  stop: (graceMs: number) => Promise<void>;
}

/**
 * Waits for the end of its standard input, which is the parent's life, and then ends the program: so that
 * not even a parent that was killed leaves a child behind.
 */
const GUARD = [
  '"$@" 3<&- & child=$!',
  'trap "kill -TERM $child" TERM INT',
  // one process, and no hold on our outputs: a pipe that stays open would keep the parent
  '(read -r _ <&3; kill -TERM $child; sleep 8; kill -KILL $child) > /dev/null 2>&1 & watch=$!',
  'wait $child; code=$?',
  'while kill -0 $child 2> /dev/null; do wait $child; code=$?; done',
  'kill -KILL $watch 2> /dev/null',
  'exit $code',
].join('\n');

/** Runs a program and starts it again, with back-off, when it dies by itself. */
export function supervise(program: Program, say: (text: string) => void): Supervised {
  let child: ChildProcess;
  let stopping = false;
  let failures = 0;
  let timer: NodeJS.Timeout | undefined;
  const log = createWriteStream(program.logFile, { flags: 'a', mode: 0o600 });

  const start = (): void => {
    const began = Date.now();
    child = spawn('bash', ['-c', GUARD, program.name, program.command, ...program.args], {
      env: program.env,
      stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
      detached: true, // a Ctrl-C is the supervisor's to hand on
    });
    child.stdout?.pipe(log, { end: false });
    child.stderr?.pipe(log, { end: false });
    child.on('exit', (code, signal) => {
      if (stopping) return;
      failures = Date.now() - began > 30_000 ? 0 : failures + 1;
      const wait = Math.min(200 * 2 ** failures, 10_000);
      say(
        `${program.name} ended (${signal ?? code ?? '?'}); it starts again in ${wait} ms. Its log: ${program.logFile}`,
      );
      timer = setTimeout(start, wait);
    });
  };
  start();
  return {
    pid: () => child.pid,
    async stop(graceMs) {
      stopping = true;
      clearTimeout(timer);
      if (child.exitCode !== null || child.signalCode !== null) return;
      const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
      child.kill('SIGTERM');
      const late = setTimeout(() => {
        if (child.pid) process.kill(-child.pid, 'SIGKILL');
      }, graceMs);
      await ended;
      clearTimeout(late);
      log.end();
    },
  };
}
