import { expect, it } from 'vitest';

import { createPlaces, type Ask } from '../../../worker/places.js';

/** 200 places, and a clock of the test's own. */
function aWorker() {
  let ms = 0;
  const places = createPlaces(200, () => ms);
  let number = 0;
  const ask = (user: string, where: string, more: Partial<Ask> = {}) =>
    places.take({ id: `job-${++number}`, user, where, kind: 'begins', ...more });
  return {
    ask,
    /** How many of so many get a place. */
    placed: (n: number, user: string, where: string, more: Partial<Ask> = {}): number =>
      Array.from({ length: n }, () => ask(user, where, more)).filter((got) => typeof got === 'function')
        .length,
    pass: (by: number) => (ms += by),
  };
}

it('gives one host a quarter of the places at most, and one user at that host fewer', () => {
  const { placed } = aWorker();
  expect(placed(400, 'alice', 'hung')).toBe(27);
  expect(placed(400, 'carol', 'hung')).toBe(10);
  expect(placed(400, 'alice', 'hung', { kind: 'goes on' })).toBe(10);
  expect(placed(400, 'carol', 'hung', { kind: 'goes on' })).toBe(3);
  expect(placed(400, 'dave', 'hung')).toBe(1);
});

it('gives one user half of all places at most, however many hosts hang', () => {
  const { ask, placed } = aWorker();
  const got = Array.from({ length: 400 }, (_, i) => ask('alice', `hung-${i}`));
  expect(got.filter((one) => typeof one === 'function')).toHaveLength(100);
  expect(placed(1, 'bob', 'elsewhere')).toBe(1);
  expect(placed(1, 'bob', 'hung-0')).toBe(1);
});

it('never gives more places than there are', () => {
  const { placed } = aWorker();
  const all = ['a', 'b', 'c', 'd'].flatMap((user) =>
    Array.from({ length: 40 }, (_, i) => [user, `h${i}`] as const),
  );
  let sum = 0;
  for (let round = 0; round < 4; round++)
    for (const [user, where] of all) sum += placed(2, user, where, { kind: 'goes on' });
  expect(sum).toBe(200);
});

it('gives orders places of their own', () => {
  const { placed } = aWorker();
  placed(400, 'alice', 'hung');
  placed(400, 'alice', 'hung', { kind: 'goes on' });
  expect(placed(400, 'alice', 'hung', { kind: 'order' })).toBeGreaterThan(10);
});

it('gives a place once only, however often it is given back', () => {
  const { ask, placed } = aWorker();
  const leave = ask('alice', 'host');
  placed(400, 'alice', 'host');
  if (typeof leave !== 'function') throw new Error('the first request must get a place');
  leave();
  leave();
  expect(placed(400, 'alice', 'host', { kind: 'goes on' })).toBe(11);
});

it('tells a request that gets no place to come back in its order, and the later the more requests wait', () => {
  const { ask, placed } = aWorker();
  placed(27, 'alice', 'host');
  const delays = Array.from({ length: 200 }, () => ask('alice', 'host')).map((got) =>
    'againMs' in got ? got.againMs : 0,
  );
  expect(Math.min(...delays)).toBeGreaterThanOrEqual(500);
  expect(delays[199]).toBeGreaterThan(10_000);
  expect(Math.max(...delays)).toBeLessThan(66_001);
  expect((delays[150] ?? 0) > (delays[50] ?? 0)).toBe(true);
});

it('gives places that become free to waiting requests before new ones', () => {
  const { ask, placed, pass } = aWorker();
  const leaves = Array.from({ length: 27 }, () => ask('alice', 'host'));
  expect(ask('alice', 'host', { id: 'waits' })).toHaveProperty('againMs');
  const [first] = leaves;
  if (typeof first !== 'function') throw new Error('there was room');
  pass(400);
  first();
  expect(placed(5, 'alice', 'host')).toBe(0);
  pass(200);
  expect(ask('alice', 'host', { id: 'waits' })).toBeTypeOf('function');
});

it('does not keep a place for a request that is never repeated', () => {
  const { ask, placed, pass } = aWorker();
  const leaves = Array.from({ length: 27 }, () => ask('alice', 'host'));
  for (let i = 0; i < 5; i++) ask('alice', 'host', { id: `cancelled-${i}` });
  for (const leave of leaves) if (typeof leave === 'function') leave();
  pass(130_000);
  expect(placed(400, 'alice', 'host')).toBe(27);
});
