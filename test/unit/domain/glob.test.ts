import { RE2JS } from 're2js';
import { describe, expect, it } from 'vitest';

import { compileFilter, globToRegExp, validateFilter } from '../../../domain/glob.js';
import { patternSize } from '../../../domain/pattern-size.js';
import { forAll } from './random.js';

describe('globToRegExp: as Java matches paths', () => {
  it.each([
    ['*.txt', 'bud.txt', true],
    ['*.txt', 'one/two/bud.txt', false],
    ['**/*.txt', 'bud.txt', false],
    ['**/*.txt', 'one/two/bud.txt', true],
    ['**.txt', 'bud.txt', true],
    ['**.txt', 'one/two/bud.txt', true],
    ['**/*', 'one/bud.txt', true],
    ['**/*', 'bud.txt', false], // "all" by the filter's special case only
    ['*.{txt,log}', 'a.log', true],
    ['*.{txt,log}', 'a.lo', false],
    ['{a,}b', 'b', true],
    ['a,b', 'a,b', true],
    ['a}', 'a}', true],
    ['?.txt', 'a.txt', true],
    ['a?b', 'a/b', false],
    ['[a-c]x', 'bx', true],
    ['[a-c]x', 'dx', false],
    ['[!a-c]x', 'dx', true],
    ['[!a]x', '/x', false],
    ['[,-0]x', '/x', false], // the range covers the slash, which no class matches
    ['[,-0]x', '.x', true],
    ['[*?]', '*', true],
    ['[*?]', 'a', false],
    ['[\\]', '\\', true],
    ['[-a]', '-', true],
    ['[a-]', '-', true],
    ['[^a]', '^', true],
    ['[^a]', 'b', false],
    ['\\*', '*', true],
    ['\\*', 'a', false],
    ['\\{a', '{a', true],
    ['a.b', 'axb', false],
    ['(a+)', '(a+)', true],
    ['*', '.hidden', true],
    ['*', 'a\nb', true],
    ['ü?', 'ü😀', true],
  ])('%s and %s: %s', (glob, path, expected) => {
    expect(globToRegExp(glob).matches(path)).toBe(expected);
  });

  it.each(['{a', '{a,{b}}', '[a', '[]', '[!]', '[a/b]', '[b-a]', 'a\\'])('refuses %s', (glob) => {
    expect(() => globToRegExp(glob)).toThrow();
  });

  it('matches every plain path by itself, and escaped', () => {
    forAll((random) => {
      const path = random.text();
      expect(globToRegExp(path.replace(/[\\*?[{},\]]/g, '\\$&')).matches(path)).toBe(true);
    });
  });

  it('takes linear time', () => {
    const begin = performance.now();
    globToRegExp('**a'.repeat(25) + 'b').matches('a'.repeat(5000));
    expect(performance.now() - begin).toBeLessThan(2000);
  });
});

describe('compileFilter', () => {
  const files = ['bud.txt', 'a.log', 'one/two/bud.txt', 'one/x.log'];
  it.each<[string[], string[], string[]]>([
    [[], [], files],
    [['**/*'], [], files],
    [['*.txt'], [], ['bud.txt']],
    [['**.txt'], [], ['bud.txt', 'one/two/bud.txt']],
    [['*'], [], ['bud.txt', 'a.log']],
    [[], ['**/*'], []],
    [['**/*'], ['*.log'], ['bud.txt', 'one/two/bud.txt', 'one/x.log']],
    [['bud.txt'], ['bud.txt'], []], // excludes first
    [['one'], [], ['one/two/bud.txt', 'one/x.log']],
    [['one/'], [], ['one/two/bud.txt', 'one/x.log']],
    [[], ['one/two'], ['bud.txt', 'a.log', 'one/x.log']],
    [['REGEX:.*'], [], files],
    [['REGEX:[a-z]+\\.txt'], [], ['bud.txt']], // the whole path
    [['*.txt', 'REGEX:one/.*log'], [], ['bud.txt', 'one/x.log']],
  ])('includes %j, excludes %j', (includes, excludes, expected) => {
    expect(files.filter(compileFilter({ includes, excludes }))).toEqual(expected);
  });
});

it('names each bad entry', () => {
  const faults = validateFilter({ includes: ['*.txt', '{a'], excludes: ['REGEX:(', 'REGEX:a*'] });
  expect(faults.map(({ entry }) => entry)).toEqual(['{a', 'REGEX:(']);
});

describe('validateFilter, before anything is compiled', () => {
  it.each<[string, string[], string]>([
    ['too many entries', Array.from({ length: 201 }, () => 'a'), 'at most 200 are possible'],
    ['a long entry', ['a'.repeat(1025)], 'must have at most 1024 characters'],
    ['a repeat of much', [`REGEX:(?:${'ab'.repeat(100)}){1000}`], 'makes the filter too large'],
    ['many repeats', Array.from({ length: 10 }, () => 'REGEX:(x{1000})|a'), 'makes the filter too large'],
    ['repeats in repeats', ['REGEX:((a{9}b){9}c{9}){10,99}'], 'makes the filter too large'],
    ['a repeat of a quotation', [`REGEX:(\\Q${'('.repeat(200)}\\E){100}`], 'makes the filter too large'],
  ])('refuses %s', (_what, includes, says) => {
    const began = process.cpuUsage();
    expect(validateFilter({ includes, excludes: [] }).at(-1)?.fault).toContain(says);
    expect(process.cpuUsage(began).user).toBeLessThan(200_000);
  });

  it.each([
    ['abc', 3],
    ['a{3}b', 4],
    ['(ab){2,5}', 10],
    ['((ab){2}c){3}', 15],
    ['[a-z]{10}', 200],
    ['[]{9}]', 20],
    ['[^]]x', 21],
    ['\\x{61}{2}', 2],
    ['\\Q{9}\\E', 7],
    ['a{,3}', 5],
    ['(?:a|b*)+', 7],
  ])('the size of %s is %i', (source, size) => {
    expect(patternSize(source)).toBe(size);
  });

  it('is no smaller than what RE2 makes of a pattern', () => {
    for (const source of ['(a{0,30}){0,30}', '((a{0,9}){0,9}){0,9}', '[a-z]{1000}', '(?:x?y?){100}', '(.{0,50}a){10}', '\\pL{20}'])
      expect(3 * patternSize(source) + 3, source).toBeGreaterThan(RE2JS.compile(source).programSize());
  }); // prettier-ignore
});
