import { readFileSync } from 'node:fs';

/** Nanoseconds that this thread has run so far; what it waited for a processor does not count. */
const ranNs = (): number => Number(readFileSync('/proc/thread-self/schedstat', 'utf8').split(' ')[0]);

/**
 * Measures the longest wait of a timer for the event loop, in milliseconds of processor time of its thread: on a busy machine a
 * wait is longer by the clock than the loop was held.
 */
export function monitorLoop(): { longestMs: () => number; stop: () => void } {
  let longest = 0;
  let last = ranNs();
  const look = (): void => {
    const now = ranNs();
    longest = Math.max(longest, (now - last) / 1e6);
    last = now;
  };
  const timer = setInterval(look, 2);
  return { longestMs: () => (look(), longest), stop: () => clearInterval(timer) };
}
