/** Work that waits for a place, in lines. */
export interface FairLine {
  /** Runs the work when it is the turn of its line; what comes in a line `first` goes before its other work. */
  run: <T>(line: string, isFirst: boolean, work: () => Promise<T>) => Promise<T>;
  /** How much waits in this line behind what comes first. */
  waiting: (line: string) => number;
}

interface Line {
  first: (() => void)[];
  later: (() => void)[];
}

/**
 * At most `places` pieces of work at once; of what waits, the lines take turns. So one line with thousands of pieces delays
 * a piece of another line by one piece, not by thousands.
 */
export function createFairLine(places: number): FairLine {
  const lines = new Map<string, Line>(); // in the order of their turns
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
            .then(work) // one that throws at once gives its place back, too
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
