import { countRows } from './count.js';
import type { Db } from './database.js';
import { now } from './now.js';
import type { GrantStore } from './store.js';

export const createGrantStore = (db: Db): GrantStore => ({
  async grant(tenant, resource, username, levels, grantor) {
    const created = now();
    if (levels.length === 0) return;
    await db.insertInto('grants').values(levels.map((level) => ({ tenant, resource, username, level, grantor, created })))
      .onConflict((oc) => oc.doNothing()).execute(); // prettier-ignore
  },
  async revoke(tenant, resource, username, levels) {
    if (levels.length === 0) return;
    await db
      .deleteFrom('grants')
      .where('tenant', '=', tenant)
      .where('resource', '=', resource)
      .where('username', '=', username)
      .where('level', 'in', levels)
      .execute();
  },
  async levels(tenant, resource, username) {
    const rows = await db
      .selectFrom('grants')
      .select('level')
      .where('tenant', '=', tenant)
      .where('resource', '=', resource)
      .where('username', '=', username)
      .execute();
    return rows.map(({ level }) => level);
  },
  async held(tenant, prefix, username, level) {
    const rows = await db
      .selectFrom('grants')
      .select('resource')
      .where('tenant', '=', tenant)
      .where('resource', '>=', prefix)
      .where('resource', '<', `${prefix}\u{10ffff}`)
      .where('username', '=', username)
      .where('level', '=', level)
      .execute();
    return new Set(rows.map(({ resource }) => resource));
  },
  async listByPrefix(tenant, prefix) {
    const rows = await db.selectFrom('grants').selectAll().where('tenant', '=', tenant)
      .where('resource', '>=', prefix).where('resource', '<', `${prefix}\u{10ffff}`).orderBy('resource').execute(); // prettier-ignore
    return rows.map(({ resource, username, level, grantor, created }) => ({
      resource,
      user: username,
      level,
      grantor,
      created,
    }));
  },
  async removeResource(tenant, prefix) {
    await db
      .deleteFrom('grants')
      .where('tenant', '=', tenant)
      .where('resource', '>=', prefix)
      .where('resource', '<', `${prefix}\u{10ffff}`)
      .execute();
  },
  countGiven: (tenant, grantor) =>
    countRows(db.selectFrom('grants').where('tenant', '=', tenant).where('grantor', '=', grantor)),
});
