import type { PlannedArg } from '../job-plan.js';
import type { Faults } from './faults.js';

/** What Linux takes of one argument, or of one variable with its name, without the byte that ends it. */
export const MOST_BYTES_OF_ONE = 131_071;
/** Of the 2 MiB that it takes together, the rest is for the environment. */
export const MOST_BYTES_TOGETHER = 1_572_864;

export const bytesOf = (text: string): number => new TextEncoder().encode(text).length;

/** Refuses what no host can hand to an application; the whole of a list and of both lists (specification: jobs §2.7.1). */
export function refuseLargeArgs(
  faults: Faults,
  lists: Readonly<Record<string, readonly PlannedArg[]>>,
): void {
  let sum = 0;
  for (const [field, args] of Object.entries(lists)) {
    for (const { arg } of args) {
      const bytes = bytesOf(arg);
      if (bytes > MOST_BYTES_OF_ONE)
        faults.add(field, arg, `has ${bytes} bytes, and one argument may have ${MOST_BYTES_OF_ONE}`);
      sum += bytes + 1;
    }
  }
  if (sum > MOST_BYTES_TOGETHER)
    faults.add(
      Object.keys(lists).join(' and '),
      null,
      `have ${sum} bytes together, and may have ${MOST_BYTES_TOGETHER}`,
    );
}

export function refuseLargeVariable(faults: Faults, field: string, key: string, value: string): void {
  const bytes = bytesOf(`${key}=${value}`);
  if (bytes > MOST_BYTES_OF_ONE)
    faults.add(field, null, `has ${bytes} bytes with its name, and a variable may have ${MOST_BYTES_OF_ONE}`);
}
