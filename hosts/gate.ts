/** Lets at most so many pass at once; the others wait in order. */
export interface Gate {
  /** Resolves with the way out, to be called once; rejects when aborted while waiting. */
  enter: (signal?: AbortSignal) => Promise<() => void>;
  /** From now on fewer at once; who is inside stays. */
  narrow: (to: number) => void;
  inside: () => number;
  waiting: () => number;
}

export function createGate(atOnce: number): Gate {
  let limit = atOnce;
  let inside = 0;
  const queue: (() => void)[] = [];
  const once = (): (() => void) => {
    let isOut = false;
    return () => {
      if (isOut) return;
      isOut = true;
      inside--;
      if (inside < limit) queue.shift()?.();
    };
  };
  return {
    enter: (signal) =>
      new Promise((resolve, reject) => {
        const pass = (): void => {
          signal?.removeEventListener('abort', leave);
          inside++;
          resolve(once());
        };
        const leave = (): void => {
          queue.splice(queue.indexOf(pass), 1);
          reject(new Error('aborted while waiting'));
        };
        if (signal?.aborted) reject(new Error('aborted before it began'));
        else if (inside < limit) pass();
        else {
          queue.push(pass);
          signal?.addEventListener('abort', leave, { once: true });
        }
      }),
    narrow: (to) => (limit = Math.min(limit, to)),
    inside: () => inside,
    waiting: () => queue.length,
  };
}
