import { createTurns } from '../domain/turns.js';
import { askedFor } from './asked-for.js';

/** Lets at most a number of commands pass at once; the rest waits, and the users' commands are taken in turn. */
export interface Gate {
  /** Resolves with the way out, to be called once; rejects when aborted or refused while waiting. */
  enter: (signal?: AbortSignal) => Promise<() => void>;
  /** From now on fewer pass at once; what is inside stays there. */
  narrow: (to: number) => void;
  /** Ends every wait: each `enter` that waits rejects with an error of its own. */
  refuse: (why: () => Error) => void;
  inside: () => number;
  waiting: () => number;
}

interface Waiter {
  pass: () => void;
  refuse: (error: Error) => void;
}

export function createGate(atOnce: number): Gate {
  let limit = atOnce;
  let inside = 0;
  const queue = createTurns<Waiter>();
  const once = (): (() => void) => {
    let isOut = false;
    return () => {
      if (isOut) return;
      isOut = true;
      inside--;
      if (inside < limit) queue.take()?.pass();
    };
  };
  return {
    enter: (signal) =>
      new Promise((resolve, reject) => {
        const user = askedFor();
        const stop = (): void => signal?.removeEventListener('abort', leave);
        const waiter: Waiter = {
          pass: () => {
            stop();
            inside++;
            resolve(once());
          },
          refuse: (error) => {
            stop();
            reject(error);
          },
        };
        const leave = (): void => {
          queue.remove(user, waiter);
          reject(new Error('aborted while waiting'));
        };
        if (signal?.aborted) reject(new Error('aborted before it began'));
        else if (inside < limit) waiter.pass();
        else {
          queue.add(user, waiter);
          signal?.addEventListener('abort', leave, { once: true });
        }
      }),
    narrow: (to) => (limit = Math.min(limit, to)),
    refuse: (why) => queue.clear().forEach((waiter) => waiter.refuse(why())),
    inside: () => inside,
    waiting: () => queue.size(),
  };
}
