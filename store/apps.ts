import { sql, type RawBuilder, type SqlBool } from 'kysely';

import type { App } from '../domain/apps/app.js';
import { KilimError } from '../domain/errors.js';
import { APP_ATTRIBUTES } from '../domain/search/attributes.js';
import { inBatches, inOrder } from './batches.js';
import { countRows } from './count.js';
import type { Db } from './database.js';
import { headColumns } from './heads.js';
import { listIds } from './registration-list.js';
import type { AppHead, AppKey, AppStore } from './store.js';

/** @param reader answers lists and searches, so that they do not hold up the statements of `db` */
export const createAppStore = (db: Db, reader: Db): AppStore => {
  const toApp = ({ doc }: { doc: string }): App => JSON.parse(doc) as App;
  const find: AppStore['find'] = async (tenant, id, version) => {
    const row = await db
      .selectFrom('apps')
      .select('doc')
      .where('tenant', '=', tenant)
      .where('id', '=', id)
      .where('version', '=', version)
      .executeTakeFirst();
    return row ? toApp(row) : null;
  };
  return {
    async add(app) {
      const added = await db.insertInto('apps').values({ tenant: app.tenant, id: app.id, version: app.version, created: app.created, ...headColumns('apps', app) })
        .onConflict((oc) => oc.doNothing()).returning('id').executeTakeFirst(); // prettier-ignore
      if (!added) throw new KilimError('CONFLICT', `The application ${app.id} ${app.version} exists.`);
      return app;
    },
    find,
    async findLatest(tenant, id) {
      // sorting whole documents would read those of all versions
      const newest = await db
        .selectFrom('apps')
        .select('version')
        .where('tenant', '=', tenant)
        .where('id', '=', id)
        .orderBy('created', 'desc')
        .limit(1)
        .executeTakeFirst();
      return newest ? find(tenant, id, newest.version) : null;
    },
    async replace(app) {
      await db
        .updateTable('apps')
        .set(headColumns('apps', app))
        .where('tenant', '=', app.tenant)
        .where('id', '=', app.id)
        .where('version', '=', app.version)
        .execute();
      return app;
    },
    async versions(tenant, id) {
      const rows = await db
        .selectFrom('apps')
        .select('version')
        .where('tenant', '=', tenant)
        .where('id', '=', id)
        .orderBy('created', 'desc')
        .execute();
      return rows.map(({ version }) => version);
    },
    async list(query, allVersions) {
      const kind = {
        table: 'apps' as const,
        resource: 'app:' as const,
        attributes: APP_ATTRIBUTES,
        ...(allVersions ? {} : { where: isNewest(query.tenant) }),
      };
      const { rows, total } = await listIds(reader, kind, query, ['id', 'version']);
      return { keys: rows, total };
    },
    async heads(tenant, keys) {
      const rows = await versionsOf(reader, tenant, keys, ['id', 'version', 'head']);
      return inOrder(keys.map(keyText), rows, keyText).map(({ head }) => JSON.parse(head) as AppHead);
    },
    async many(tenant, keys) {
      const rows = await versionsOf(reader, tenant, keys, ['id', 'version', 'doc']);
      return inOrder(keys.map(keyText), rows, keyText).map(toApp);
    },
    countOwned: (tenant, owner) =>
      countRows(db.selectFrom('apps').where('tenant', '=', tenant).where('owner', '=', owner)),
  };
};

const keyText = ({ id, version }: AppKey): string => `${id} ${version}`;

/**
 * Selects the newest version of each application. It ranks all versions of a tenant in one query: to look for a newer
 * version of each row would take time in the square of their number.
 */
const isNewest = (tenant: string): RawBuilder<SqlBool> => sql`(id, version) in (select id, version from
  (select id, version, row_number() over (partition by id order by created desc, version desc) as place
    from apps where tenant = ${tenant}) as ranked where place = 1)`;

const versionsOf = <C extends 'head' | 'doc'>(
  db: Db,
  tenant: string,
  keys: readonly AppKey[],
  columns: readonly ('id' | 'version' | C)[],
): Promise<(AppKey & Record<C, string>)[]> =>
  inBatches(
    keys,
    (some) =>
      db
        .selectFrom('apps')
        .select(columns)
        .where('tenant', '=', tenant)
        .where((eb) => eb.or(some.map(({ id, version }) => eb.and({ id, version }))))
        .execute() as unknown as Promise<(AppKey & Record<C, string>)[]>,
  );
