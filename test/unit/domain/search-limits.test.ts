import { expect, it } from 'vitest';

import { JOB_ATTRIBUTES } from '../../../domain/search/attributes.js';
import { parsePairs } from '../../../domain/search/conditions.js';
import { parseSqlText } from '../../../domain/search/sql-text.js';

const sql = (text: string) => parseSqlText([text], JOB_ATTRIBUTES);
const eleven = Array.from({ length: 11 }, () => "name LIKE 'a%'").join(' OR ');
const like = (pattern: string) =>
  parsePairs([['name.like', pattern]], { table: JOB_ATTRIBUTES, plainNames: 'refuse' });

it.each([
  ['patterns', () => sql(eleven), 'search: has more than 10 LIKE patterns'],
  ['values', () => sql(`id IN (${'1,'.repeat(1_000)}1)`), 'search: has more than 1000 values'],
  ['long patterns', () => like('*'.repeat(257)), 'has more than 256 characters'],
])('a search is refused with too many %s', (_what, parse, says) => {
  expect(parse).toThrow(says);
});
