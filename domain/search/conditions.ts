import { KilimError } from '../errors.js';
import { getAttribute, getOperator, type AttributeTable } from './attributes.js';
import { comparisonOf } from './comparison.js';
import { limited } from './limits.js';
import { OPERATORS, type Condition, type Operator } from './condition.js';

/** Query parameters that are never conditions, in any letter case (specification: jobs §1.6). */
const RESERVED = new Set([
  'pretty',
  'select',
  'search',
  'orderby',
  'limit',
  'skip',
  'startafter',
  'computetotal',
  'listtype',
]);

export interface PairRules {
  table: AttributeTable;
  /** A name without an operator: the Jobs service refuses it, Systems and Apps ignore it (platform §8.5). */
  plainNames: 'refuse' | 'ignore';
}

/**
 * The conditions among query parameters, `attribute.operator=value`; all must hold.
 * @throws KilimError INVALID_REQUEST naming attribute, operator and value
 */
export function parsePairs(
  pairs: Iterable<readonly [name: string, value: string]>,
  { table, plainNames }: PairRules,
): Condition {
  const all: Condition[] = [];
  for (const [name, value] of pairs) {
    if (RESERVED.has(name.toLowerCase())) continue;
    if (!name.includes('.') && plainNames === 'ignore') continue;
    // glued as the origin does: `status=eq.FINISHED` is understood
    all.push(parseOne(`${name}.${value}`, table));
  }
  return limited({ is: 'and', all });
}

/**
 * The parameter `search`: `(attribute.operator.value)~(…)`; a single one may come without parentheses (platform §8.5).
 * @throws KilimError INVALID_REQUEST
 */
export function parseSearch(text: string, table: AttributeTable): Condition {
  const parts = splitAt(text, '~').map((part) => part.trim());
  if (parts.length === 1 && parts[0] === '') return { is: 'and', all: [] };
  const all = parts.map((part) => {
    const hasOpen = part.startsWith('(');
    const hasClose = part.endsWith(')') && !isEscaped(part, part.length - 1);
    if (hasOpen !== hasClose || (!hasOpen && parts.length > 1))
      throw new KilimError(
        'INVALID_REQUEST',
        `search: "${part.slice(0, 80)}" must read (attribute.operator.value)`,
      );
    const inner = hasOpen ? part.slice(1, -1) : part;
    if (splitAt(inner, '(').length > 1 || splitAt(inner, ')').length > 1)
      throw new KilimError(
        'INVALID_REQUEST',
        `search: "${part.slice(0, 80)}" has a parenthesis that is not escaped with \\`,
      );
    return parseOne(inner, table);
  });
  return limited({ is: 'and', all });
}

function parseOne(text: string, table: AttributeTable): Condition {
  const [, name = '', word = '', value = ''] = /^([^.]*)(?:\.([^.]*))?(?:\.(.*))?$/s.exec(text) ?? [];
  const attribute = getAttribute(table, name.trim());
  if (!isOperator(word)) {
    const example = `${attribute.name}.eq=${word || 'value'}`;
    if (!text.slice(name.length + 1).includes('.'))
      throw new KilimError(
        'INVALID_REQUEST',
        `${attribute.name}: ${JSON.stringify(word)} has no operator; write ${example}`,
      );
  }
  const operator = getOperator(attribute.name, word.trim());
  const values = valuesOf(operator, value);
  if (values.includes(''))
    throw new KilimError(
      'INVALID_REQUEST',
      `${attribute.name}.${operator}: ${JSON.stringify(value)} has no value`,
    );
  return comparisonOf(attribute, operator, values);
}

const isOperator = (word: string): boolean => OPERATORS.some((known) => known === word.trim().toLowerCase());

function valuesOf(operator: Operator, text: string): string[] {
  // a text that is cut here is longer than a pattern may be, and is refused for that
  if (operator === 'like' || operator === 'nlike') return [toPattern(text.slice(0, 1_000))];
  const isList = /^n?(in|between|contains)$/.test(operator);
  return (isList ? splitAt(text, ',') : [text]).map(unescape);
}

/** Splits where the character stands without a backslash before it. */
function splitAt(text: string, separator: string): string[] {
  const parts: string[] = [];
  let from = 0;
  for (let i = 0; i < text.length; i++) {
    if (text[i] === '\\') i++;
    else if (text[i] === separator) {
      parts.push(text.slice(from, i));
      from = i + 1;
    }
  }
  return [...parts, text.slice(from)];
}

/** Whether an odd number of backslashes stands before the place. */
function isEscaped(text: string, at: number): boolean {
  let first = at;
  while (text[first - 1] === '\\') first--;
  return (at - first) % 2 === 1;
}

const unescape = (text: string): string => text.replace(/\\([~,()\\])/g, '$1');

/** `*` is any run and `!` one character; with a backslash both are themselves. */
const toPattern = (text: string): string =>
  text.replace(
    /\\([~,()\\*!])|([*!%_\\])/g,
    (_all, escaped: string | undefined, plain: string | undefined) => {
      if (plain === '*') return '%';
      if (plain === '!') return '_';
      const literal = escaped ?? plain ?? '';
      return /[%_\\]/.test(literal) ? `\\${literal}` : literal;
    },
  );
