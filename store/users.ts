import type { Db } from './database.js';
import type { Seal } from './seal.js';
import type { SettingStore, User, UserStore } from './store.js';

const DAY_MS = 24 * 3_600_000;

export const createUserStore = (db: Db): UserStore => {
  const find: UserStore['find'] = async (tenant, username) => {
    const row = await db
      .selectFrom('users')
      .selectAll()
      .where('tenant', '=', tenant)
      .where('username', '=', username)
      .executeTakeFirst();
    return row ? toUser(row) : null;
  };
  return {
    find,
    async put({ tenant, username, passwordHash, isAdmin }) {
      const values = { password_hash: passwordHash, is_admin: isAdmin ? 1 : 0 };
      await db.insertInto('users').values({ tenant, username, ...values })
        .onConflict((oc) => oc.columns(['tenant', 'username']).doUpdateSet(values)).execute(); // prettier-ignore
    },
    isAdmin: async (tenant, username) => (await find(tenant, username))?.isAdmin ?? false,
    async list(tenant) {
      return (
        await db.selectFrom('users').selectAll().where('tenant', '=', tenant).orderBy('username').execute()
      ).map(toUser);
    },
    async revokeToken(jti, expires) {
      const yesterday = new Date(Date.now() - DAY_MS).toISOString();
      // refused by their age; a token without an end has 1970 for it and stays
      await db
        .deleteFrom('revoked_tokens')
        .where('expires', '<', yesterday)
        .where('expires', '>', '1971')
        .execute();
      await db
        .insertInto('revoked_tokens')
        .values({ jti, expires })
        .onConflict((oc) => oc.doNothing())
        .execute();
    },
    async isRevoked(jti) {
      return (
        (await db.selectFrom('revoked_tokens').select('jti').where('jti', '=', jti).executeTakeFirst()) !==
        undefined
      );
    },
  };
};

const toUser = (row: {
  tenant: string;
  username: string;
  password_hash: string;
  is_admin: number;
}): User => ({
  tenant: row.tenant,
  username: row.username,
  passwordHash: row.password_hash,
  isAdmin: row.is_admin === 1,
});

export const createSettingStore = (db: Db, seal: Seal): SettingStore => {
  const get: SettingStore['get'] = async (name) => {
    const row = await db.selectFrom('settings').select('sealed').where('name', '=', name).executeTakeFirst();
    return row ? seal.open(row.sealed) : null;
  };
  return {
    get,
    async init(name, value) {
      const there = await get(name); // a start needs no room on the disk
      if (there !== null) return there;
      await db
        .insertInto('settings')
        .values({ name, sealed: seal.close(value) })
        .onConflict((oc) => oc.doNothing())
        .execute();
      return (await get(name)) ?? value;
    },
  };
};
