import { RE2JS } from 're2js';

import type { Comparison, Condition, Value } from './condition.js';

/**
 * Whether a record at hand is one that the condition asks for, by the rules of a database: what is not set equals only NULL,
 * and no other comparison with it holds. An array that is not set is empty.
 */
export function matches(condition: Condition, record: Readonly<Record<string, unknown>>): boolean {
  if (condition.is === 'and') return condition.all.every((one) => matches(one, record));
  if (condition.is === 'or') return condition.any.some((one) => matches(one, record));
  return holds(condition, record[condition.attribute] ?? null);
}

/** Whether a condition asks for the attribute at all. */
export const asksFor = (condition: Condition, attribute: string): boolean =>
  condition.is === 'compare'
    ? condition.attribute === attribute
    : (condition.is === 'and' ? condition.all : condition.any).some((one) => asksFor(one, attribute));

function holds({ operator, kind, values }: Comparison, given: unknown): boolean {
  if (kind === 'array') {
    const has = Array.isArray(given) && given.some((one) => values.includes(one as Value));
    return operator === 'contains' || operator === 'in' ? has : !has;
  }
  const [first = null, second = null] = values;
  if (operator === 'eq' && first === null) return given === null;
  if (operator === 'neq' && first === null) return given !== null;
  if (typeof given !== 'string' && typeof given !== 'number' && typeof given !== 'boolean') return false;
  const order = (value: Value): number => (given === value ? 0 : value !== null && given < value ? -1 : 1);
  switch (operator) {
    case 'eq':
      return order(first) === 0;
    case 'neq':
      return order(first) !== 0;
    case 'lt':
      return order(first) < 0;
    case 'lte':
      return order(first) <= 0;
    case 'gt':
      return order(first) > 0;
    case 'gte':
      return order(first) >= 0;
    case 'between':
      return order(first) >= 0 && order(second) <= 0;
    case 'nbetween':
      return order(first) < 0 || order(second) > 0;
    case 'in':
      return values.some((value) => order(value) === 0);
    case 'nin':
      return values.every((value) => order(value) !== 0);
    case 'like':
      return isLike(String(given), String(first));
    case 'nlike':
      return !isLike(String(given), String(first));
    case 'contains':
    case 'ncontains':
      return false; // for arrays only
  }
}

/**
 * Whether the whole text is of the pattern: `%` is any run, `_` one character, with a backslash they are themselves.
 * By RE2: no pattern of a user takes more than linear time.
 */
function isLike(text: string, pattern: string): boolean {
  const parts = pattern.match(/\\.|[^]/gsu) ?? [];
  const source = parts.map((part) =>
    part === '%' ? '.*' : part === '_' ? '.' : RE2JS.quote(part.replace(/^\\(?=.)/s, '')),
  );
  return RE2JS.compile(source.join(''), RE2JS.DOTALL).matches(text);
}
