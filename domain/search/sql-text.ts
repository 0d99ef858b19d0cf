import { KilimError } from '../errors.js';
import { getAttribute, type Attribute, type AttributeTable } from './attributes.js';
import { comparisonOf } from './comparison.js';
import type { Condition, Operator, Value } from './condition.js';
import { limited } from './limits.js';
import { wordsOf, type Word } from './sql-words.js';

const LONGEST = 32_768;
const DEEPEST = 64;
const SIGNS: Readonly<Record<string, Operator>> = {
  '=': 'eq',
  '<>': 'neq',
  '<': 'lt',
  '<=': 'lte',
  '>': 'gt',
  '>=': 'gte',
};
/** Keyword → the operator, and the one with NOT before it. */
const KEYWORDS: Readonly<Record<string, [plain: Operator, negated: Operator | null]>> = {
  LIKE: ['like', 'nlike'],
  NLIKE: ['nlike', null],
  BETWEEN: ['between', 'nbetween'],
  NBETWEEN: ['nbetween', null],
  IN: ['in', 'nin'],
  NIN: ['nin', null],
};

/**
 * Reads the SQL-like search of a POST: the parts are joined with a blank (specification: jobs §1.7). The result is a
 * tree of checked comparisons with values to bind; no piece of the text ever reaches a database. Restrict it with `within`.
 * @throws KilimError INVALID_REQUEST
 */
export function parseSqlText(parts: readonly string[], table: AttributeTable): Condition {
  const text = parts.join(' ');
  if (text.length > LONGEST)
    throw new KilimError('INVALID_REQUEST', `search: is longer than ${LONGEST} characters`);
  const reader = readerOf(wordsOf(text), text);
  if (!reader.peek()) throw new KilimError('INVALID_REQUEST', 'search: is empty');
  const condition = readOr(reader, table, 0);
  if (reader.peek()) reader.fail('AND, OR or the end');
  return limited(condition);
}

interface Reader {
  peek: () => Word | undefined;
  next: () => Word | undefined;
  /** Takes the word if it is this keyword (any letter case) or sign. */
  take: (text: string) => boolean;
  fail: (expected: string) => never;
}

function readerOf(words: readonly Word[], text: string): Reader {
  let at = 0;
  const fail = (expected: string): never => {
    const word = words[at];
    const where = word ? JSON.stringify(text.slice(word.at, word.at + 40).trim()) : 'the end';
    throw new KilimError('INVALID_REQUEST', `search: expected ${expected} at ${where}`);
  };
  return {
    peek: () => words[at],
    next: () => words[at++],
    take: (wanted) => {
      const word = words[at];
      const isIt =
        word !== undefined &&
        (word.is === 'name' || word.is === 'sign') &&
        word.text.toUpperCase() === wanted;
      if (isIt) at++;
      return isIt;
    },
    fail,
  };
}

function readOr(reader: Reader, table: AttributeTable, depth: number): Condition {
  const any = [readAnd(reader, table, depth)];
  while (reader.take('OR')) any.push(readAnd(reader, table, depth));
  return any.length === 1 && any[0] ? any[0] : { is: 'or', any };
}

function readAnd(reader: Reader, table: AttributeTable, depth: number): Condition {
  const all = [readTerm(reader, table, depth)];
  while (reader.take('AND')) all.push(readTerm(reader, table, depth));
  return all.length === 1 && all[0] ? all[0] : { is: 'and', all };
}

function readTerm(reader: Reader, table: AttributeTable, depth: number): Condition {
  if (depth > DEEPEST)
    throw new KilimError('INVALID_REQUEST', `search: parentheses are nested deeper than ${DEEPEST}`);
  if (!reader.take('(')) return readComparison(reader, table);
  const inner = readOr(reader, table, depth + 1);
  if (!reader.take(')')) reader.fail(')');
  return inner;
}

const RESERVED = /^(AND|OR|NOT|LIKE|NLIKE|BETWEEN|NBETWEEN|IN|NIN|IS|ESCAPE|TRUE|FALSE|NULL)$/i;

function readComparison(reader: Reader, table: AttributeTable): Condition {
  const name = reader.peek();
  if (name?.is !== 'name' || RESERVED.test(name.text)) return reader.fail('the name of an attribute');
  reader.next();
  const attribute = getAttribute(table, name.text);
  const operator = readOperator(reader);
  return comparisonOf(attribute, operator, readValues(reader, operator, attribute));
}

function readOperator(reader: Reader): Operator {
  const isNegated = reader.take('NOT');
  const word = reader.peek();
  const sign = !isNegated && word?.is === 'sign' ? SIGNS[word.text] : undefined;
  const keyword = word?.is === 'name' ? KEYWORDS[word.text.toUpperCase()] : undefined;
  const operator = sign ?? keyword?.[isNegated ? 1 : 0];
  if (!operator)
    return reader.fail(
      isNegated ? 'LIKE, BETWEEN or IN' : '= <> < <= > >= LIKE BETWEEN IN or NOT before the last three',
    );
  reader.next();
  return operator;
}

function readValues(reader: Reader, operator: Operator, attribute: Attribute): Value[] {
  if (operator === 'between' || operator === 'nbetween') {
    const low = readLiteral(reader);
    if (!reader.take('AND')) reader.fail('AND');
    return [low, readLiteral(reader)];
  }
  if (operator === 'in' || operator === 'nin') {
    if (!reader.take('(')) reader.fail('(');
    const values = [readLiteral(reader)];
    while (reader.take(',')) values.push(readLiteral(reader));
    if (!reader.take(')')) reader.fail(') or ,');
    return values;
  }
  const value = readLiteral(reader);
  // there is no ESCAPE: a backslash is a backslash
  const isPattern = (operator === 'like' || operator === 'nlike') && attribute.kind === 'string';
  return [isPattern && typeof value === 'string' ? value.replaceAll('\\', '\\\\') : value];
}

function readLiteral(reader: Reader): Value {
  const word = reader.peek();
  if (word?.is === 'text') {
    reader.next();
    return word.text;
  }
  if (word?.is === 'number') {
    reader.next();
    return word.text;
  }
  for (const [keyword, value] of [['TRUE', true], ['FALSE', false], ['NULL', null]] as const) {
    if (reader.take(keyword)) return value;
  } // prettier-ignore
  return reader.fail('a value: a text in single quotes, a number, TRUE, FALSE or NULL');
}
