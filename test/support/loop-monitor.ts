import { readFileSync } from 'node:fs';

/**
 * Milliseconds of processor time that this thread has used so far. Time for which it waited for a processor does not count:
 * on a busy machine a wait by the clock is longer than the event loop was held.
 */
const threadMs = (): number =>
  Number(readFileSync('/proc/thread-self/schedstat', 'utf8').split(' ')[0]) / 1e6;

const TICK_MS = 2;

/** The longest time, in milliseconds of processor time, for which the event loop let no timer in while the work went on. */
export async function longestStall(work: () => Promise<unknown>): Promise<number> {
  let longest = 0;
  let last = threadMs();
  const look = (): void => {
    const now = threadMs();
    longest = Math.max(longest, now - last);
    last = now;
  };
  const timer = setInterval(look, TICK_MS);
  try {
    await work();
    look();
    return longest;
  } finally {
    clearInterval(timer);
  }
}
