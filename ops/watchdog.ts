import { Worker } from 'node:worker_threads';

/** How often the event loop counts up, to show that it runs. */
const BEAT_MS = 1_000;
const CHECK_MS = 5_000;
/** Two minutes: no work of Kilim blocks the event loop for so long, so a program that does will not recover. */
const SILENT_CHECKS = 24;

export interface WatchdogOptions {
  /** For tests. */
  checkMs?: number;
  silentChecks?: number;
}

/**
 * Ends this program with SIGKILL when its event loop has been blocked for two minutes: its supervisor then starts it again,
 * and jobs go on where they were. The watchdog counts its checks and does not read the clock, so that a machine that was
 * suspended does not look like a blocked program. The first process of a container cannot be killed from inside, so
 * containers need an init process.
 */
export function startWatchdog({ checkMs = CHECK_MS, silentChecks = SILENT_CHECKS }: WatchdogOptions = {}): {
  stop: () => void;
} {
  const turns = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  const beat = setInterval(() => Atomics.add(turns, 0, 1), Math.min(BEAT_MS, checkMs / 2)).unref();
  const thread = new Worker(THREAD, { eval: true, workerData: { turns, checkMs, silentChecks } });
  thread.unref();
  return {
    stop: () => {
      clearInterval(beat);
      void thread.terminate();
    },
  };
}

/** The program of the thread. It is text, because a thread that is started from TypeScript sources could not load them. */
const THREAD = `
const { writeSync } = require('node:fs');
const { workerData: { turns, checkMs, silentChecks } } = require('node:worker_threads');
let last = -1;
let silent = 0;
setInterval(() => {
  const now = Atomics.load(turns, 0);
  silent = now === last ? silent + 1 : 0;
  last = now;
  if (silent < silentChecks) return;
  const seconds = Math.round((silent * checkMs) / 1000);
  try {
    writeSync(2, JSON.stringify({ level: 60, time: Date.now(), pid: process.pid,
      msg: 'the event loop was blocked for ' + seconds + ' s; the program ends itself, so that it is started again' }) + '\\n');
  } catch {}
  process.kill(process.pid, 'SIGKILL');
}, checkMs);
`;
