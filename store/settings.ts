import { sql } from 'kysely';

import type { Db } from './database.js';
import { lock } from './dialects.js';
import type { Seal } from './seal.js';
import type { SettingStore } from './user-store.js';

/** Length of the beginning that differs between any two sealed texts: the id of the key, the nonce and the tag. */
const STAMP = 60;

export const createSettingStore = (db: Db, seal: Seal): SettingStore => {
  const read = async (on: Db, name: string): Promise<string | null> => {
    const row = await on.selectFrom('settings').select('sealed').where('name', '=', name).executeTakeFirst();
    return row ? seal.open(row.sealed) : null;
  };
  const get: SettingStore['get'] = (name) => read(db, name);
  return {
    get,
    async init(name, value) {
      const there = await get(name); // without a write, so that a start succeeds on a full disk
      if (there !== null) return there;
      await db
        .insertInto('settings')
        .values({ name, sealed: seal.close(value) })
        .onConflict((oc) => oc.doNothing())
        .execute();
      return (await get(name)) ?? value;
    },
    change: (name, to) =>
      db.transaction().execute(async (trx) => {
        await lock(trx, [`setting ${name}`]);
        const value = to(await read(trx, name));
        const sealed = seal.close(value);
        await trx
          .insertInto('settings')
          .values({ name, sealed })
          .onConflict((oc) => oc.column('name').doUpdateSet({ sealed }))
          .execute();
        return value;
      }),
    async stamp(name) {
      const { rows } = await sql<{ stamp: string }>`
        select substr(sealed, 1, ${sql.lit(STAMP)}) as stamp from settings where name = ${name}`.execute(db);
      return rows[0]?.stamp ?? null;
    },
  };
};
