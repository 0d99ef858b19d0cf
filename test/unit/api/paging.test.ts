import { expect, it } from 'vitest';

import { pageOf, pagingOf } from '../../../api/paging.js';
import type { AttributeTable } from '../../../domain/search/attributes.js';

const TABLE: AttributeTable = { what: 'things', kinds: { id: 'string', port: 'number', enabled: 'boolean' } };
const RECORDS = [
  { id: 'a', port: 22, enabled: true },
  { id: 'b', port: 9, enabled: false },
  { id: 'c', port: 100, enabled: true },
  { id: 'd', port: 22, enabled: false },
];
const ids = (query: Record<string, string>): string[] =>
  pageOf(RECORDS, pagingOf({ query }, TABLE)).map(({ id }) => id);

it.each<[Record<string, string>, string[]]>([
  [{ orderBy: 'id', startAfter: 'b' }, ['c', 'd']],
  [{ orderBy: 'id', startAfter: 'b', limit: '1' }, ['c']],
  [{ orderBy: 'id(desc)', startAfter: 'c' }, ['b', 'a']],
  [{ orderBy: 'id', startAfter: 'bb' }, ['c', 'd']],
  [{ orderBy: 'port,id(desc)', startAfter: '9' }, ['d', 'a', 'c']],
  [{ orderBy: 'port', startAfter: '22' }, ['c']],
  [{ orderBy: 'enabled', startAfter: 'false' }, ['a', 'c']],
  [{ orderBy: 'id', startAfter: '' }, ['a', 'b', 'c', 'd']],
  [{ orderBy: 'id', skip: '2' }, ['c', 'd']],
])('lists what %o asks for', (query, expected) => {
  expect(ids(query)).toEqual(expected);
});

it('starts after a value only in an order, and not beside a skip', () => {
  expect(() => ids({ startAfter: 'b' })).toThrow('startAfter: needs orderBy');
  expect(() => ids({ startAfter: 'b', orderBy: 'id', skip: '1' })).toThrow('startAfter: excludes skip');
});
