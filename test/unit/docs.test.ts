import { existsSync, readFileSync } from 'node:fs';

import { describe, expect, it } from 'vitest';

const ROOT = new URL('../..', import.meta.url);
const read = (name: string): string => readFileSync(new URL(name, ROOT), 'utf8');

describe.each(['README.md', 'SECURITY.md'])('%s', (name) => {
  it('names only tests that are there', () => {
    const named = [...read(name).matchAll(/`(test\/[\w/.-]+\.test\.ts)`/g)].map(([, file = '']) => file);
    expect(named.length).toBeGreaterThan(20);
    expect(named.filter((file) => !existsSync(new URL(file, ROOT)))).toEqual([]);
  });
});

it('names a test for each defence', () => {
  const rows = read('SECURITY.md')
    .split('\n')
    .filter((line) => line.startsWith('| ') && !line.startsWith('| Attack |'));
  expect(rows.length).toBeGreaterThan(40);
  expect(rows.filter((row) => !/`test\/[\w/.-]+\.test\.ts` \|$/.test(row))).toEqual([]);
});
