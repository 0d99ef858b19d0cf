import { sql, type Kysely } from 'kysely';

import { KilimError } from '../domain/errors.js';
import type { Database, Db } from './database.js';
import { isPostgres, lock } from './dialects.js';
import { tables } from './migrations/0001-tables.js';
import { orderAndIndexes } from './migrations/0002-order-and-indexes.js';
import { usage } from './migrations/0003-usage.js';
import { turns } from './migrations/0004-turns.js';
import { byStatus } from './migrations/0005-by-status.js';
import { heads } from './migrations/0006-heads.js';
import { bound } from './migrations/0007-bound.js';
import { lockouts } from './migrations/0009-lockouts.js';
import { orphans } from './migrations/0012-orphans.js';
import { sharedDirs } from './migrations/0013-shared-dirs.js';
import type { Step } from './migrations/step.js';

/** Every step once, in order. A new one is a file and a line here. */
const STEPS: readonly Step[] = [
  tables,
  orderAndIndexes,
  usage,
  turns,
  byStatus,
  heads,
  bound,
  lockouts,
  orphans,
  sharedDirs,
];

/**
 * Brings the schema to this program's version, under a lock; or, without `mayChange`, checks that it is there already.
 * @throws KilimError CANNOT_START where the schema is older or newer than the program
 */
export async function migrate(db: Db, mayChange: boolean): Promise<void> {
  await db.transaction().execute(async (trx) => {
    await lock(trx, ['migrate']);
    if (mayChange)
      await sql`create table if not exists schema_version (version integer not null)`.execute(trx);
    const at = await versionOf(trx);
    if (at === STEPS.length) return;
    if (at > STEPS.length || !mayChange) {
      throw new KilimError(
        'CANNOT_START',
        `The store has schema ${at}, this program needs ${STEPS.length}: ${at > STEPS.length ? 'use a newer Kilim' : 'run "kilim migrate"'}.`,
      );
    }
    const on = isPostgres(db)
      ? { serial: 'bigserial primary key', isPostgres: true }
      : { serial: 'integer primary key autoincrement', isPostgres: false };
    for (const step of STEPS.slice(at)) for (const text of step(on)) await sql.raw(text).execute(trx);
    await trx.deleteFrom('schema_version').execute();
    await trx.insertInto('schema_version').values({ version: STEPS.length }).execute();
  });
}

async function versionOf(db: Kysely<Database>): Promise<number> {
  try {
    return (await db.selectFrom('schema_version').select('version').executeTakeFirst())?.version ?? 0;
  } catch (error) {
    if (error instanceof Error && /no such table|does not exist/.test(error.message)) return 0;
    throw error;
  }
}
