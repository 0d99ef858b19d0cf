import { PostgresAdapter, sql, type Kysely } from 'kysely';

import type { Database } from './database.js';

/**
 * One transaction at a time for what `name` stands for, on all programs. SQLite needs nothing:
 * its transactions take the write lock at their begin.
 */
export async function lockFor(trx: Kysely<Database>, name: string): Promise<void> {
  if (trx.getExecutor().adapter instanceof PostgresAdapter) {
    await sql`select pg_advisory_xact_lock(hashtext(${name}))`.execute(trx);
  }
}
