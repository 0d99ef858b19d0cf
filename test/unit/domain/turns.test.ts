import { expect, it } from 'vitest';

import { createTurns } from '../../../domain/turns.js';

const all = (given: [string, string][]) => {
  const turns = createTurns<string>();
  for (const [key, item] of given) turns.add(key, item);
  return turns;
};

it('takes the first of each key, then the second of each', () => {
  const turns = all([
    ['a', 'a1'],
    ['a', 'a2'],
    ['a', 'a3'],
    ['b', 'b1'],
    ['c', 'c1'],
    ['b', 'b2'],
  ]);
  expect(turns.size()).toBe(6);
  expect(Array.from({ length: 7 }, turns.take)).toEqual(['a1', 'b1', 'c1', 'a2', 'b2', 'a3', undefined]);
  expect(turns.size()).toBe(0);
});

it('serves a key that comes later before the third item of another key', () => {
  const turns = all([
    ['a', 'a1'],
    ['a', 'a2'],
    ['a', 'a3'],
  ]);
  expect(turns.take()).toBe('a1');
  turns.add('b', 'b1');
  expect([turns.take(), turns.take(), turns.take()]).toEqual(['a2', 'b1', 'a3']);
});

it('removes one item, or all at once', () => {
  const turns = all([
    ['a', 'a1'],
    ['a', 'a2'],
    ['b', 'b1'],
  ]);
  turns.remove('a', 'a1');
  turns.remove('a', 'never there');
  turns.remove('c', 'a1');
  expect(turns.size()).toBe(2);
  expect(turns.clear()).toEqual(['a2', 'b1']);
  expect(turns.take()).toBeUndefined();
});
