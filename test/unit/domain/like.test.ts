import { describe, expect, it } from 'vitest';

import { likeMatcher } from '../../../domain/search/like.js';
import { parsePairs } from '../../../domain/search/conditions.js';
import { JOB_ATTRIBUTES } from '../../../domain/search/attributes.js';
import { parseSqlText } from '../../../domain/search/sql-text.js';
import { forAll } from './random.js';

describe('likeMatcher', () => {
  it.each([
    ['', '', true],
    ['', 'a', false],
    ['%', '', true],
    ['%', 'a\nb', true],
    ['_', '', false],
    ['_', '😀', true],
    ['a%', 'abc', true],
    ['%c', 'abc', true],
    ['a%c', 'abcb', false],
    ['%b%', 'abc', true],
    ['%a%b%c%', 'xaxbxc', true],
    ['%a%b%c%', 'xaxcxb', false],
    ['__', 'ab', true],
    ['__', 'abc', false],
    ['%_b', 'b', false],
    ['%_b', 'bb', true],
    ['\\%', '%', true],
    ['\\%', 'a', false],
    ['\\_\\\\', '_\\', true],
    ['a\\', 'a\\', true],
    ['A%', 'abc', false],
    [`${'a'.repeat(31)}%${'b'.repeat(40)}_`, `${'a'.repeat(33)}${'b'.repeat(41)}`, true],
    ['a'.repeat(64), 'a'.repeat(64), true],
    ['a'.repeat(64), 'a'.repeat(63), false],
    [`${'a'.repeat(32)}%`, 'a'.repeat(31), false],
    [`${'a'.repeat(32)}%`, `${'a'.repeat(32)}b`, true],
  ])('%s and %s: %s', (pattern, text, expected) => {
    expect(likeMatcher(pattern)(text)).toBe(expected);
  });

  it('says what a regular expression says, for patterns and texts of few letters', () => {
    forAll((random) => {
      const word = (letters: string, most: number): string =>
        Array.from({ length: random.below(most + 1) }, () => letters[random.below(letters.length)]).join('');
      const [pattern, text] = [word('ab%_', 40), word('ab', 40)];
      const same = new RegExp(`^${pattern.replaceAll('%', '[^]*').replaceAll('_', '[^]')}$`);
      expect(likeMatcher(pattern)(text), `${pattern} ${text}`).toBe(same.test(text));
    });
  });
});

describe('a search', () => {
  const ten = Array.from({ length: 11 }, () => "name LIKE 'a%'").join(' OR ');
  it.each([
    ['patterns', () => parseSqlText([ten], JOB_ATTRIBUTES), 'search: has more than 10 LIKE patterns'],
    ['values', () => parseSqlText([`id IN (${'1,'.repeat(1_000)}1)`], JOB_ATTRIBUTES), 'search: has more than 1000 values'],
    ['long patterns', () => parsePairs([['name.like', '*'.repeat(257)]], { table: JOB_ATTRIBUTES, plainNames: 'refuse' }), 'has more than 256 characters'],
  ])('is refused with too many %s', (_what, parse, says) => {
    expect(parse).toThrow(says);
  }); // prettier-ignore
});
