import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { sql } from 'kysely';
import { expect, it } from 'vitest';

import { openDatabase } from '../../../store/dialects.js';
import { orUnavailable } from '../../../store/unavailable.js';

it('answers STORE_UNAVAILABLE while the disk is full, and goes on when there is room', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'kilim-full-'));
  const db = openDatabase(`sqlite:${join(dir, 'a.db')}`);
  await sql`create table lines (text text)`.execute(db);
  const add = () =>
    orUnavailable(() =>
      db.transaction().execute(async (trx) => {
        for (let i = 0; i < 20; i++) await sql`insert into lines values (${'x'.repeat(4_000)})`.execute(trx);
      }),
    );
  await sql`pragma max_page_count = 10`.execute(db);
  // SQLite rolls such a transaction back by itself; a second rollback would fail with another error
  await expect(add()).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE', detail: { cause: expect.stringContaining('SQLITE_FULL') } }); // prettier-ignore
  await sql`pragma max_page_count = 10000`.execute(db);
  await add();
  const { rows } = await sql<{ n: number }>`select count(*) as n from lines`.execute(db);
  expect(rows).toEqual([{ n: 20 }]);
  await db.destroy();
  rmSync(dir, { recursive: true });
});
