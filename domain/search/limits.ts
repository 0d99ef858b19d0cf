import { KilimError } from '../errors.js';
import type { Comparison, Condition } from './condition.js';

/** SQLite reads expressions up to a depth of 1,000, and each AND or OR adds one level. */
const MOST_CONDITIONS = 500;
/** Each value is compared with every record. */
const MOST_VALUES = 1_000;
/** Each pattern reads a whole text of every record. */
const MOST_PATTERNS = 10;

/** Returns the condition. @throws KilimError INVALID_REQUEST where it has more parts than a search may have */
export function limited(condition: Condition): Condition {
  const all = comparisonsOf(condition);
  const refuseAbove = (most: number, what: string, count: number): void => {
    if (count > most) throw new KilimError('INVALID_REQUEST', `search: has more than ${most} ${what}`);
  };
  refuseAbove(MOST_CONDITIONS, 'conditions', all.length);
  refuseAbove(MOST_VALUES, 'values', all.reduce((sum, { values }) => sum + values.length, 0)); // prettier-ignore
  refuseAbove(MOST_PATTERNS, 'LIKE patterns', all.filter(({ operator }) => operator.endsWith('like')).length);
  return condition;
}

const comparisonsOf = (condition: Condition): Comparison[] =>
  condition.is === 'compare'
    ? [condition]
    : (condition.is === 'and' ? condition.all : condition.any).flatMap(comparisonsOf);
