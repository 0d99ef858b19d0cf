import { KilimError } from '../errors.js';
import { OPERATORS_OF, type Attribute } from './attributes.js';
import type { Comparison, Operator, Value } from './condition.js';
import { fullTimestamp } from './timestamps.js';

/** For some patterns a database takes time in proportion to the length of the pattern times that of the text. */
const LONGEST_PATTERN = 256;
const LONGEST_SHOWN = 80;

/**
 * A comparison after the check that the attribute knows the operator and the values are of its kind.
 * `like` patterns come as they are used: `%`, `_` and `\`.
 * @throws KilimError INVALID_REQUEST naming attribute, operator and value
 */
export function comparisonOf(
  { name, kind }: Attribute,
  operator: Operator,
  given: readonly Value[],
): Comparison {
  const refuse = (rule: string): never => {
    throw new KilimError(
      'INVALID_REQUEST',
      `${name}.${operator}: ${JSON.stringify(given.join(',').slice(0, LONGEST_SHOWN))} ${rule}`,
    );
  };
  if (kind === 'document') return refuse('cannot be asked for: the attribute is not searchable');
  if (!OPERATORS_OF[kind].includes(operator))
    return refuse(`is not allowed: an attribute of the kind ${kind} knows ${OPERATORS_OF[kind].join(' ')}`);
  if (operator.endsWith('between') && given.length !== 2) return refuse('must be exactly two values');
  if (given.length === 0) return refuse('has no value');
  if (given.includes(null) && operator !== 'eq' && operator !== 'neq')
    return refuse('cannot be: NULL is asked for with = and <> only');
  if (operator.endsWith('like') && given.join('').length > LONGEST_PATTERN)
    return refuse(`has more than ${LONGEST_PATTERN} characters`);
  const values = given.map((value) => valueOf(kind, value, refuse));
  return { is: 'compare', attribute: name, kind, operator, values };
}

function valueOf(kind: Comparison['kind'], value: Value, refuse: (rule: string) => never): Value {
  if (value === null) return null;
  const text = String(value);
  switch (kind) {
    case 'string':
    case 'array':
      return text;
    case 'number':
      return typeof value !== 'boolean' && /^[+-]?\d+(\.\d+)?$/.test(text) && Number.isFinite(Number(text))
        ? Number(text)
        : refuse('is not a number');
    case 'boolean':
      return /^(true|false)$/i.test(text) ? /^true$/i.test(text) : refuse('must be true or false');
    case 'timestamp':
      return (
        fullTimestamp(text) ??
        refuse('is not an ISO-8601 timestamp; it may be partial: 2024, 2024-05, 2024-05-04T10:30Z')
      );
  }
}
