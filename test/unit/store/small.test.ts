import { randomBytes } from 'node:crypto';

import { describe, expect, it } from 'vitest';

import { now } from '../../../store/now.js';
import { createSeal } from '../../../store/seal.js';
import { clip, clipJson } from '../../../store/texts.js';
import { orUnavailable } from '../../../store/unavailable.js';

describe('now', () => {
  it('never says the same instant twice, and sorts as text', () => {
    const instants = Array.from({ length: 5_000 }, now);
    expect(new Set(instants).size).toBe(instants.length);
    expect(instants).toEqual(instants.toSorted());
    expect(Math.abs(Date.parse(now()) - Date.now())).toBeLessThan(1_000);
  });
});

describe('seals', () => {
  const [key, other] = [randomBytes(32), randomBytes(32)];
  const seal = createSeal([key]);

  it.each(['', 'plain', 'é\u{1f600}\0'.repeat(1_000)])('opens what it closed', (text) => {
    expect(seal.open(seal.close(text))).toBe(text);
    expect(createSeal([other, key]).open(seal.close(text))).toBe(text);
  });

  it('never closes a text twice alike', () => {
    expect(seal.close('a')).not.toBe(seal.close('a'));
  });

  it.each([
    ['another key', () => createSeal([other]).close('a'), /not configured/],
    ['changed data', () => `${seal.close('aaaa').slice(0, -4)}AAAA`, /damaged/],
    ['a short tag', () => seal.close('a').replace(/\.[^.]{22}\./, '.AAAAAA.'), /damaged/],
    ['no seal', () => 'plain text', /unknown form/],
  ])('does not open %s', (_what, sealed, says) => {
    expect(() => seal.open(sealed())).toThrow(says);
  });

  it('takes only keys of 32 bytes', () => {
    for (const keys of [[], [randomBytes(16)], [key, randomBytes(31)]]) expect(() => createSeal(keys)).toThrow(/32 bytes/); // prettier-ignore
  });
});

describe('a login that PostgreSQL refuses', () => {
  const refused = () => Promise.reject(Object.assign(new Error('password authentication failed'), { code: '28P01' })); // prettier-ignore

  it('stops a program that starts, and is tried again by one that runs', async () => {
    await expect(orUnavailable(refused, true)).rejects.toMatchObject({ code: 'CANNOT_START' });
    await expect(orUnavailable(refused)).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
  });
});

describe('texts', () => {
  it('are cut to what a row takes', () => {
    expect(clip('a'.repeat(20_000))).toHaveLength(16_384);
    expect(clip('a\0b')).toBe('ab');
    const json = clipJson({
      jobName: 'a',
      message: '\u{1f600}"\n'.repeat(10_000),
      other: 'b'.repeat(10_000),
    });
    expect(json.length).toBeLessThanOrEqual(16_384);
    expect(JSON.parse(json)).toMatchObject({ jobName: 'a' });
  });
});
