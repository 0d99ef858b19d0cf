import { describe, expect, it } from 'vitest';

import { compileFilter, globToRegExp, validateFilter } from '../../../domain/glob.js';
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
