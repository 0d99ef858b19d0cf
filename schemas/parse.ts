import type { z } from 'zod';

import { KilimError } from '../domain/errors.js';
import { shownUrl } from '../domain/files/shown-url.js';

const SECRET = /password|privateKey|client_key|secret|token|value/i;
const LONGEST_VALUE = 80;
const LONGEST_URL = 8192;
const MOST_FAULTS = 50;
/** The most members of a body, checked before the schema reads each of them. */
export const MOST_MEMBERS = 1_000;
const LONGEST_FIELD = 200;
const MOST_KEYS = 10;

/** Parses or names every fault: field, value (never a secret's) and rule. @throws KilimError INVALID_REQUEST */
export function parseBody<T extends z.ZodType>(schema: T, body: unknown): z.infer<T> {
  const count = typeof body === 'object' && body !== null ? Object.keys(body).length : 0;
  if (count > MOST_MEMBERS)
    throw new KilimError(
      'INVALID_REQUEST',
      `body: has ${count} members; at most ${MOST_MEMBERS} are possible`,
    );
  const parsed = schema.safeParse(body, { reportInput: true });
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues.slice(0, MOST_FAULTS).map((issue) => {
    const field = issue.path.map(String).join('.').slice(0, LONGEST_FIELD) || 'body';
    return `${field}:${shown(field, issue.input)} ${ruleOf(issue)}`;
  });
  throw new KilimError('INVALID_REQUEST', faults.join('\n'));
}

const shown = (field: string, value: unknown): string =>
  SECRET.test(field) || value === undefined || typeof value === 'object'
    ? ''
    : ` ${JSON.stringify(typeof value === 'string' ? shownUrl(value.slice(0, LONGEST_URL)) : value).slice(0, LONGEST_VALUE)}`;

/** What the field must be, in words for the person who wrote the request. */
function ruleOf(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return issue.input === undefined
        ? `is required and must be ${aKind(issue.expected)}`
        : `must be ${aKind(issue.expected)}`;
    case 'too_small':
    case 'too_big': {
      const isLower = issue.code === 'too_small';
      const limit = String(isLower ? issue.minimum : issue.maximum);
      const bound = isLower ? 'at least' : 'at most';
      if (issue.origin === 'string')
        return `must have ${bound} ${limit} character${limit === '1' ? '' : 's'}`;
      if (issue.origin === 'array') return `must have ${bound} ${limit} element${limit === '1' ? '' : 's'}`;
      return `must be ${bound} ${limit}`;
    }
    case 'invalid_value':
      return `must be one of ${issue.values.map(String).join(', ')}`;
    case 'unrecognized_keys':
      return `has the unknown ${issue.keys.length === 1 ? 'key' : 'keys'} ${keysInShort(issue.keys)}`;
    default:
      return issue.message;
  }
}

const keysInShort = (keys: readonly string[]): string =>
  [
    ...keys.slice(0, MOST_KEYS).map((key) => key.slice(0, LONGEST_VALUE)),
    ...(keys.length > MOST_KEYS ? [`and ${keys.length - MOST_KEYS} more`] : []),
  ].join(', ');

const KINDS: Readonly<Record<string, string>> = {
  int: 'a whole number',
  number: 'a number',
  string: 'a text',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object',
  record: 'an object',
};

const aKind = (expected: string): string => KINDS[expected] ?? `of the type ${expected}`;
