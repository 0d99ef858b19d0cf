import { describe, expect, it } from 'vitest';

import { parseHostEval, replaceMacros, resolveMacros } from '../../../domain/macros.js';
import { forAll } from './random.js';

const values = { A: 'a', B: '${A}/b', Loop: '${Pool}', Pool: '${Loop}', Empty: '' };

describe('resolveMacros (strict)', () => {
  it.each([
    ['plain', 'plain'],
    ['${A}', 'a'],
    ['${B}/${A}', 'a/b/a'],
    ['x${Empty}y', 'xy'],
    ['a $ lone $A', 'a $ lone $A'],
  ])('%s → %s', (text, expected) => {
    expect(resolveMacros(text, values)).toBe(expected);
  });

  it.each([
    ['${Unknown}', 'not known'],
    ['${}', 'without a name'],
    ['x${A', 'not closed'],
    ['${Loop}', 'circle'],
    ['${a}', 'not known'],
    ['${constructor}', 'not known'],
  ])('refuses %s', (text, rule) => {
    expect(() => resolveMacros(text, values)).toThrow(rule);
  });

  it('follows sixteen rounds and no more', () => {
    const chain = Object.fromEntries(
      Array.from({ length: 17 }, (_, i) => [`M${i}`, i === 0 ? 'end' : `\${M${i - 1}}`]),
    );
    expect(resolveMacros('${M15}', chain)).toBe('end');
    expect(() => resolveMacros('${M16}', chain)).toThrow('circle');
  });

  it('stops a value that multiplies itself', () => {
    expect(() => resolveMacros('${X}', { X: '${X}${X}${X}${X}${X}${X}' })).toThrow('grows beyond');
  });
});

describe('replaceMacros (lenient)', () => {
  it.each([
    ['${A}', 'a'],
    ['${B}', '${A}/b'], // one pass
    ['${Unknown}', '${Unknown}'],
    ['${}', '${}'],
    ['open ${A', 'open ${A'],
    ['$A', '$A'],
  ])('%s → %s', (text, expected) => {
    expect(replaceMacros(text, values)).toBe(expected);
  });

  it('never throws, and leaves text without macros alone', () => {
    forAll((random) => {
      const text = random.text();
      expect(text.includes('${') || replaceMacros(text, values) === text).toBe(true);
    });
  });
});

describe('parseHostEval', () => {
  it.each([
    ['HOST_EVAL($HOME)', 'HOME', null, ''],
    ['HOST_EVAL(HOME)/x', 'HOME', null, '/x'],
    ['/HOST_EVAL($SCRATCH)', 'SCRATCH', null, ''],
    ['HOST_EVAL($A_1, /default)/x/${JobUUID}', 'A_1', '/default', '/x/${JobUUID}'],
    ['HOST_EVAL( $A ,/d )', 'A', '/d', ''],
  ])('%s', (text, variable, fallback, suffix) => {
    expect(parseHostEval(text)).toEqual({ variable, fallback, suffix });
  });

  it.each(['plain', '/a/b', '${HOST_EVAL}', 'HOST_EVAL'])('is none: %s', (text) => {
    expect(parseHostEval(text)).toBeNull();
  });

  it.each([
    'HOST_EVAL($A,)', 'HOST_EVAL($A b)', 'HOST_EVAL()', 'HOST_EVAL($1A)', 'HOST_EVAL($A', 'HOST_EVAL($A, b c)',
    'x/HOST_EVAL($A)', 'HOST_EVAL($A)HOST_EVAL($B)', 'HOST_EVAL($(id))',
  ])('refuses %s', (text) => {
    expect(() => parseHostEval(text)).toThrow('HOST_EVAL');
  }); // prettier-ignore
});
