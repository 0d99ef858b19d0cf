import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import Sqlite from 'better-sqlite3';
import { sql } from 'kysely';
import { afterEach, beforeEach, expect, it } from 'vitest';

import type { Db } from '../../../store/database.js';
import { openReader } from '../../../store/reader.js';

const SLOW_MS = 1_000;

let dir: string;
let reader: Db;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'kilim-reader-'));
  new Sqlite(join(dir, 'kilim.db')).close();
  reader = openReader(`sqlite:${join(dir, 'kilim.db')}`, undefined as never, SLOW_MS);
});
afterEach(async () => {
  await reader.destroy();
  rmSync(dir, { recursive: true, force: true });
});

/** Counts up to a number inside of SQLite: some ten million a second. */
const count = async (to: number): Promise<number> => {
  const { rows } = await sql<{ n: number }>`
    with recursive c(n) as (select 1 union all select n + 1 from c where n < ${to}) select max(n) as n from c`.execute(
    reader,
  );
  return rows[0]?.n ?? 0;
};

it('answers queries that wait for a long time, because the time of each is counted from its own start', async () => {
  const began = performance.now();
  await count(1_000_000);
  const perMillion = performance.now() - began;
  const part = Math.ceil(((SLOW_MS * 0.2) / perMillion) * 1_000_000); // ten of them take twice the limit
  const parts = Array.from({ length: 10 }, () => part);
  expect(await Promise.all(parts.map(count))).toEqual(parts);
}, 30_000);

it('gives up a query that takes too long, and answers those behind it', async () => {
  const slow = count(100_000_000);
  const behind = count(5);
  await expect(slow).rejects.toThrow('takes longer than 1 s');
  expect(await behind).toBe(5);
}, 30_000);
