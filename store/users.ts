import { sql } from 'kysely';

import type { Db } from './database.js';
import { lock } from './dialects.js';
import { now } from './now.js';
import type { Lockout, User, UserStore } from './user-store.js';

const DAY_MS = 24 * 3_600_000;

export const createUserStore = (db: Db): UserStore => {
  const find = async (tenant: string, username: string, on = db): Promise<User | null> => {
    const row = await on
      .selectFrom('users')
      .selectAll()
      .where('tenant', '=', tenant)
      .where('username', '=', username)
      .executeTakeFirst();
    return row ? toUser(row) : null;
  };
  return {
    find: (tenant, username) => find(tenant, username),
    async add(user) {
      const added = await db
        .insertInto('users')
        .values(toRow(user))
        .onConflict((oc) => oc.doNothing())
        .returning('username')
        .executeTakeFirst();
      return added !== undefined;
    },
    async put(user) {
      const { tenant, username, ...values } = toRow(user);
      await db.transaction().execute(async (trx) => {
        await lock(trx, [`user ${tenant} ${username}`]);
        const older = await find(tenant, username, trx);
        await trx.insertInto('users').values({ tenant, username, ...values })
          .onConflict((oc) => oc.columns(['tenant', 'username']).doUpdateSet(values)).execute(); // prettier-ignore
        if (older && older.passwordHash !== user.passwordHash)
          await nextGeneration(trx, tenant, username, {});
      });
    },
    isAdmin: async (tenant, username) => (await find(tenant, username))?.isAdmin ?? false,
    async list(tenant) {
      return (
        await db.selectFrom('users').selectAll().where('tenant', '=', tenant).orderBy('username').execute()
      ).map(toUser);
    },
    async lockout(tenant, username) {
      const row = await db
        .selectFrom('lockouts')
        .selectAll()
        .where('tenant', '=', tenant)
        .where('username', '=', username)
        .executeTakeFirst();
      return toLockout(row);
    },
    endSessions: (tenant, username) => nextGeneration(db, tenant, username, { revoked_at: now() }),
    disable: (tenant, username) => nextGeneration(db, tenant, username, { revoked_at: now(), disabled: 1 }),
    async enable(tenant, username) {
      await db
        .updateTable('lockouts')
        .set({ disabled: 0 })
        .where('tenant', '=', tenant)
        .where('username', '=', username)
        .execute();
    },
    async revokeToken(jti, expires) {
      const yesterday = new Date(Date.now() - DAY_MS).toISOString();
      // refused by their age; a token without an end has 1970 for it and stays
      await db
        .deleteFrom('revoked_tokens')
        .where('expires', '<', yesterday)
        .where('expires', '>', '1971')
        .execute();
      const added = await db
        .insertInto('revoked_tokens')
        .values({ jti, expires })
        .onConflict((oc) => oc.doNothing())
        .returning('jti')
        .executeTakeFirst();
      return added !== undefined;
    },
    standing: (tenant, username, token) => standing(db, tenant, username, token),
  };
};

/**
 * Reads all facts about a token in one query, because every request needs them. It is plain SQL, because building a query
 * for each request would take time.
 */
async function standing(
  db: Db,
  tenant: string,
  username: string,
  { jti, clientId }: { jti: string; clientId: string | null },
): ReturnType<UserStore['standing']> {
  // without a client the subquery is left out
  const isClientDisabled =
    clientId === null
      ? sql`0`
      : sql`(select o.disabled from grants as g join lockouts as o on o.tenant = g.tenant and o.username = g.username
          where g.tenant = ${tenant} and g.resource = ${`client:${clientId}`} and g.level = 'OWNER' and o.disabled = 1 limit 1)`;
  // the joins begin at a constant row, so that the answer has a row also where all the others are missing
  const { rows } = await sql<StandingRow>`
    select u.is_admin, l.disabled, l.generation, l.revoked_at, t.jti, ${isClientDisabled} as client_disabled
    from (select 1 as one) as request
    left join users as u on u.tenant = ${tenant} and u.username = ${username}
    left join lockouts as l on l.tenant = ${tenant} and l.username = ${username}
    left join revoked_tokens as t on t.jti = ${jti}`.execute(db);
  const [row] = rows;
  return {
    ...toLockout(row),
    isAdmin: row?.is_admin === 1,
    isRevoked: typeof row?.jti === 'string',
    isClientDisabled: row?.client_disabled === 1,
  };
}

interface StandingRow extends LockoutRow {
  is_admin: number | null;
  jti: string | null;
  client_disabled: number | null;
}

/** Ends every token of the user, in one statement, so that two calls at once add two generations. */
async function nextGeneration(
  db: Db,
  tenant: string,
  username: string,
  more: { revoked_at?: string; disabled?: number },
): Promise<void> {
  await db
    .insertInto('lockouts')
    .values({ tenant, username, disabled: 0, generation: 1, ...more })
    .onConflict((oc) =>
      oc
        .columns(['tenant', 'username'])
        .doUpdateSet({ ...more, generation: sql<number>`lockouts.generation + 1` }),
    )
    .execute();
}

interface LockoutRow {
  disabled: number | null;
  generation: number | null;
  revoked_at: string | null;
}

const toLockout = (row: LockoutRow | undefined): Lockout => ({
  isDisabled: row?.disabled === 1,
  generation: row?.generation ?? 0,
  revokedAt: row?.revoked_at ?? null,
});

const toRow = ({ tenant, username, passwordHash, isAdmin }: User) => ({
  tenant,
  username,
  password_hash: passwordHash,
  is_admin: isAdmin ? 1 : 0,
});

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
