import { expect, it } from 'vitest';

import { compilePatterns, patternsOf } from '../../../domain/glob.js';
import { matchNames } from '../../../hosts/match-names.js';

const tooLong = (): Error => new Error('takes too long');
/** Two thousand states for each character of a name: half a second for the first name alone. */
const HEAVY = 'REGEX:((a{0,9}){0,9}){0,9}b';

it('leaves the same names in a thread as without one', async () => {
  const patterns = patternsOf({ includes: ['*.txt', 'one', 'REGEX:.*[0-9]{2}'], excludes: ['**/secret*'] });
  const names = Array.from({ length: 3_000 }, (_, i) => [`${i}.txt`, `one/${i}`, `two/secret${i}`, `x\ny/${i}`]).flat();
  const expected = names.filter(compilePatterns(patterns));
  expect(expected.length).toBeGreaterThan(6_000);
  expect(await matchNames({ names, patterns, tooLong })).toEqual(expected);
  expect(await matchNames({ names: names.slice(0, 8), patterns, tooLong })).toEqual(
    names.slice(0, 8).filter(compilePatterns(patterns)),
  );
}); // prettier-ignore

it('ends matching that takes too long, and leaves the event loop free meanwhile', async () => {
  const names = Array.from({ length: 100 }, (_, i) => 'a'.repeat(250) + String(i));
  const patterns = patternsOf({
    includes: Array.from({ length: 50 }, (_, i) => `${HEAVY}${i}`),
    excludes: [],
  });
  const before = performance.eventLoopUtilization();
  await expect(matchNames({ names, patterns, limitMs: 1_000, tooLong })).rejects.toThrow('takes too long');
  expect(performance.eventLoopUtilization(before).active).toBeLessThan(500);
});

it('says so where the patterns cannot be compiled', async () => {
  const patterns = { out: [], into: ['('.repeat(200)] };
  await expect(matchNames({ names: ['a'.repeat(30_000)], patterns, tooLong })).rejects.toThrow();
});
