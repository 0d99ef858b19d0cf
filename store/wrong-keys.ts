import { sql } from 'kysely';

import { KilimError } from '../domain/errors.js';
import type { Db } from './database.js';
import type { Seal } from './seal.js';

/** Length of `v1.` and the eight digits of the key's id. */
const HEAD = 11;
const KEY_ID = /^[0-9a-f]{8}$/;

/**
 * Refuses keys that do not open what the store holds: with a new key in place of a lost key, everything would look well
 * until the first credential is needed. Of the jobs only live ones are looked at, because the sealed values of ended jobs
 * are not needed any more.
 * @param keysFrom a file, or the name of the variable that holds the keys
 * @throws KilimError CANNOT_START naming where the keys come from, and what to do
 */
export async function refuseWrongKeys(db: Db, { keyIds }: Seal, keysFrom: string): Promise<void> {
  const head = (column: string) => sql<string>`substr(${sql.ref(column)}, 1, ${sql.lit(HEAD)})`.as('head');
  const rows = await Promise.all([
    db.selectFrom('settings').select(head('sealed')).distinct().execute(),
    db.selectFrom('credentials').select(head('sealed')).distinct().execute(),
    db.selectFrom('jobs').select(head('env')).distinct().where('ended', 'is', null).execute(),
  ]);
  const used = new Set(rows.flat().map((row) => row.head.slice('v1.'.length)));
  const unknown = [...used].filter((id) => KEY_ID.test(id) && !keyIds.includes(id));
  if (unknown.length === 0) return;
  throw new KilimError(
    'CANNOT_START',
    `The store holds values that are sealed with the key ${unknown.join(', ')}, which is not in ${keysFrom} ` +
      `(there: ${keyIds.join(', ')}). Put the earlier key back there, for example from a backup. Nothing was changed.`,
  );
}
