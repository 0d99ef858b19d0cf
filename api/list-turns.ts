import { KilimError } from '../domain/errors.js';
import { createFairLine } from './fair-line.js';
import type { Caller } from './deps.js';

/** So many lists and searches are asked of the database at once. */
const PLACES = 2;
/** More of one user may not wait: each holds a connection. */
const MOST_WAITING = 100;

const lists = createFairLine(PLACES);

/**
 * Runs a query that may take seconds when its user has a turn, so that slow searches of one user delay a list of another by
 * those two that are under way.
 * @throws KilimError TOO_MANY_REQUESTS where too many of this user's wait already
 */
export function listInTurn<T>({ tenant, user }: Caller, work: () => Promise<T>): Promise<T> {
  const line = `${tenant}:${user}`;
  if (lists.waiting(line) >= MOST_WAITING)
    return Promise.reject(
      new KilimError(
        'TOO_MANY_REQUESTS',
        `${user} has ${MOST_WAITING} lists and searches that wait for the database; ask again when some were answered.`,
      ),
    );
  return lists.run(line, false, work);
}
