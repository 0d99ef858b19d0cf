import { sql } from 'kysely';

import type { Db } from './database.js';
import type { Seal } from './seal.js';

const BATCH = 100;
const SEALED = [
  ['jobs', 'env'],
  ['jobs', 'request'],
  ['credentials', 'sealed'],
  ['settings', 'sealed'],
] as const;

/**
 * Seals everything anew that an older key sealed; after it the older keys can go. Safe to repeat, and beside running
 * programs: a value that changed meanwhile is left as its writer put it.
 * @returns how many values were sealed anew
 */
export async function rotateSeals(db: Db, seal: Seal): Promise<number> {
  let count = 0;
  for (const [table, column] of SEALED) {
    const sealed = sql.ref(column);
    const isOld = sql`${sealed} not like ${`${seal.prefix}%`}`;
    for (;;) {
      // a sealed text is its own key: its nonce makes it unique
      const { rows } = await sql<{ old: string }>`
        select ${sealed} as old from ${sql.table(table)} where ${isOld} limit ${sql.lit(BATCH)}`.execute(db);
      if (rows.length === 0) break;
      await db.transaction().execute(async (trx) => {
        for (const { old } of rows)
          await sql`update ${sql.table(table)} set ${sealed} = ${seal.close(seal.open(old))} where ${sealed} = ${old}`.execute(
            trx,
          );
      });
      count += rows.length;
    }
  }
  return count;
}
