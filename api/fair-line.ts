/** Limits how much work runs at once. Work that has to wait stands in named lines. */
export interface FairLine {
  /** Runs the work when its line has its turn. Within a line, work with `isFirst` runs before work without it. */
  run: <T>(line: string, isFirst: boolean, work: () => Promise<T>) => Promise<T>;
  /** How many pieces of work without `isFirst` wait in this line. */
  waiting: (line: string) => number;
}

interface Line {
  first: (() => void)[];
  later: (() => void)[];
}

/**
 * Runs at most `places` pieces of work at once. The lines take turns, so a line with thousands of waiting pieces delays the
 * next piece of another line by one piece, not by thousands.
 */
export function createFairLine(places: number): FairLine {
  const lines = new Map<string, Line>(); // in the order in which the lines have their turns
  let free = places;

  function next(): void {
    const [turn] = lines;
    if (turn === undefined || free === 0) return;
    const [name, line] = turn;
    const start = line.first.shift() ?? line.later.shift();
    lines.delete(name);
    if (line.first.length + line.later.length > 0) lines.set(name, line);
    free--;
    start?.();
  }

  return {
    run: (name, isFirst, work) =>
      new Promise((resolve, reject) => {
        const line = lines.get(name) ?? { first: [], later: [] };
        (isFirst ? line.first : line.later).push(() => {
          Promise.resolve()
            .then(work) // the place is also freed when the work throws synchronously
            .then(resolve, reject)
            .finally(() => {
              free++;
              next();
            });
        });
        lines.set(name, line);
        next();
      }),
    waiting: (name) => lines.get(name)?.later.length ?? 0,
  };
}
