import { spawn, type ChildProcess } from 'node:child_process';
import {
  closeSync,
  copyFileSync,
  existsSync,
  fstatSync,
  openSync,
  readSync,
  rmSync,
  statSync,
  truncateSync,
} from 'node:fs';

export interface Program {
  name: string;
  command: string;
  args: string[];
  env: NodeJS.ProcessEnv;
  logFile: string;
  /** Tells whether the program serves. A program that did and no longer does is killed, and is started again. */
  answers?: () => Promise<boolean>;
}

export interface Supervised {
  name: string;
  /** Of the guard, which leads a process group of its own; the program is its child. */
  pid: () => number | undefined;
  /** Rejects when the program cannot be kept alive at its start; its message says why. */
  failsToStart: Promise<never>;
  /** SIGTERM, then SIGKILL after the grace. Safe to repeat. */
  stop: (graceMs: number) => Promise<void>;
}

export interface Watching {
  say: (text: string) => void;
  /** A new process of this program runs. */
  onStart?: (pid: number) => void;
  /** Milliseconds from one question whether the program serves to the next; for tests. */
  checkMs?: number;
}

const HEALTHY_MS = 30_000;
const LONGEST_WAIT_MS = 10_000;
const STARTS_TO_FAIL = 3;
/** The last line of a program begins so where another start would not help (domain/start-fault.ts). */
const REFUSAL = 'Kilim cannot start';
/** A start may take this long, for example to check a large database: a refusal within it is one of the start. */
const START_MS = 60_000;
const MAX_LOG_BYTES = 20_000_000;
const LOG_LOOK_MS = 60_000;
const CHECK_MS = 10_000;
/** So many checks in a row without an answer, and the program is killed: a busy machine may cause one or two of them. */
const SILENT_CHECKS = 6;

/**
 * Stands between the supervisor and a program. Descriptor 3 is a pipe that nobody writes to: it ends with the
 * supervisor, even one that was killed, and then the guard ends the program. What it makes is for its owner only.
 */
const GUARD = `
umask 077
child= stopping=
end() { stopping=1; [ -z "$child" ] || kill -TERM "$child" 2> /dev/null; }
trap end TERM INT HUP
"$@" 3<&- &
child=$!
[ -z "$stopping" ] || end
(
  trap '' TERM INT HUP
  read -r _ <&3
  kill -TERM "$child"
  for _ in {1..40}; do sleep 0.2; kill -0 "$child" || exit 0; done
  kill -KILL "$child"
) > /dev/null 2>&1 &
exec 3<&-
while wait "$child"; code=$?; kill -0 "$child" 2> /dev/null; do :; done
exit "$code"
`;

/** Runs a program and starts it again, with back-off, whenever it ends by itself. */
export function supervise(program: Program, { say, onStart, checkMs = CHECK_MS }: Watching): Supervised {
  let child: ChildProcess | undefined;
  const supervisedAt = performance.now();
  let isStopping = false;
  let failures = 0;
  let timer: NodeJS.Timeout | undefined;
  let giveUp: (error: Error) => void;
  const failsToStart = new Promise<never>((_resolve, reject) => (giveUp = reject));
  failsToStart.catch(() => undefined); // only who waits for the start listens
  turnOver(program.logFile);
  const turning = setInterval(() => turnOver(program.logFile), LOG_LOOK_MS).unref();

  const start = (): void => {
    const began = performance.now();
    const log = openLog(program.logFile);
    const next = spawn('bash', ['-c', GUARD, program.name, program.command, ...program.args], {
      env: program.env,
      stdio: ['ignore', log ?? 'ignore', log ?? 'ignore', 'pipe'],
      detached: true, // a Ctrl-C is the supervisor's to hand on
    });
    if (log !== null) closeSync(log);
    child = next;
    if (next.pid !== undefined) onStart?.(next.pid);
    next.on('error', (error) => {
      if (isStopping) return;
      giveUp(new Error(`${program.name} cannot be started: ${error.message}`));
      timer = setTimeout(start, LONGEST_WAIT_MS); // the machine may be out of processes or memory for the moment
    });
    next.on('exit', (code, signal) => {
      endGroup(next.pid); // a guard that was killed leaves its program to us
      if (isStopping) return;
      failures = performance.now() - began > HEALTHY_MS ? 0 : failures + 1;
      const word = lastWord(program.logFile);
      if (performance.now() - supervisedAt < START_MS && word.startsWith(REFUSAL))
        return giveUp(new Error(word));
      if (failures >= STARTS_TO_FAIL) giveUp(new Error(`${program.name} does not start: ${word}`));
      const wait = Math.min(100 * 2 ** failures, LONGEST_WAIT_MS);
      say(
        `${program.name} ended (${signal ?? code ?? '?'}); it starts again in ${wait} ms. Its log: ${program.logFile}`,
      );
      timer = setTimeout(start, wait);
    });
  };
  start();
  const checking = checkAnswers(program, checkMs, () => {
    say(`${program.name} has not answered for ${(SILENT_CHECKS * checkMs) / 1000} s and is killed.`);
    endGroup(child?.pid);
  });

  return {
    name: program.name,
    pid: () => child?.pid,
    failsToStart,
    async stop(graceMs) {
      isStopping = true;
      clearTimeout(timer);
      clearInterval(turning);
      checking.stop();
      if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
      const ending = child;
      const ended = new Promise<void>((resolve) => ending.once('exit', () => resolve()));
      ending.kill('SIGTERM');
      const late = setTimeout(() => {
        say(`${program.name} did not end within ${graceMs / 1000} s and is killed.`);
        endGroup(ending.pid);
      }, graceMs);
      await ended;
      clearTimeout(late);
    },
  };
}

/**
 * Calls `onSilence` when a program that had answered did not for SILENT_CHECKS checks in a row. The count begins again only
 * when the program answers, so that its next start may take its time.
 */
function checkAnswers({ answers }: Program, checkMs: number, onSilence: () => void): { stop: () => void } {
  if (!answers) return { stop: () => undefined };
  let hasAnswered = false;
  let silent = 0;
  let isAsking = false;
  const check = async (): Promise<void> => {
    if (isAsking) return; // the question itself may take as long as its time limit
    isAsking = true;
    const isThere = await answers();
    isAsking = false;
    if (isThere) hasAnswered = true;
    silent = isThere || !hasAnswered ? 0 : silent + 1;
    if (silent < SILENT_CHECKS) return;
    hasAnswered = false;
    silent = 0;
    onSilence();
  };
  const timer = setInterval(() => void check(), checkMs).unref();
  return { stop: () => clearInterval(timer) };
}

/** Keeps a long log as `….1` and empties it in place: its program holds it open, and appends. */
export function turnOver(logFile: string, maxBytes = MAX_LOG_BYTES): void {
  try {
    if (!existsSync(logFile) || statSync(logFile).size <= maxBytes) return;
    copyFileSync(logFile, `${logFile}.1`);
    truncateSync(logFile);
  } catch {
    // a full disk or a folder that is gone: the program goes on, and so does its log
    removeQuietly(`${logFile}.1`); // it may be half a copy, and the disk needs the room
  }
}

function removeQuietly(file: string): void {
  try {
    rmSync(file, { force: true });
  } catch {
    // the file stays; the next turn of the log replaces it
  }
}

/** A program runs without a log rather than not at all; null where the file cannot be made, as on a full disk. */
function openLog(file: string): number | null {
  try {
    return openSync(file, 'a', 0o600);
  } catch {
    return null;
  }
}

/** Everything that a guard started and that is still there. */
export function endGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // nothing of it is left
  }
}

/** The last line that a program left: a plain sentence, or the message of a log record. */
export function lastWord(logFile: string): string {
  const line = endOf(logFile).trimEnd().split('\n').pop() ?? '';
  try {
    const record = JSON.parse(line) as { msg?: string; err?: { message?: string } };
    return [record.msg, record.err?.message].filter(Boolean).join(': ');
  } catch {
    return line || 'it said nothing';
  }
}

const END_BYTES = 64 * 1024;

/** A log may have grown beyond what a text can hold, or been taken away: neither is a reason to end. */
function endOf(file: string): string {
  try {
    const log = openSync(file, 'r');
    try {
      const bytes = Buffer.alloc(END_BYTES);
      const from = Math.max(0, fstatSync(log).size - END_BYTES);
      return bytes.toString('utf8', 0, readSync(log, bytes, 0, END_BYTES, from));
    } finally {
      closeSync(log);
    }
  } catch {
    return '';
  }
}
