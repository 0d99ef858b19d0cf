import type { App } from '../domain/apps/app.js';
import { KilimError } from '../domain/errors.js';
import type { Db } from './database.js';
import type { AppStore } from './store.js';

export const createAppStore = (db: Db): AppStore => {
  const toApp = ({ doc }: { doc: string }): App => JSON.parse(doc) as App;
  return {
    async add(app) {
      const added = await db.insertInto('apps').values({ tenant: app.tenant, id: app.id, version: app.version, created: app.created, doc: JSON.stringify(app) })
        .onConflict((oc) => oc.doNothing()).returning('id').executeTakeFirst(); // prettier-ignore
      if (!added) throw new KilimError('CONFLICT', `The application ${app.id} ${app.version} exists.`);
      return app;
    },
    async find(tenant, id, version) {
      const row = await db
        .selectFrom('apps')
        .select('doc')
        .where('tenant', '=', tenant)
        .where('id', '=', id)
        .where('version', '=', version)
        .executeTakeFirst();
      return row ? toApp(row) : null;
    },
    async findLatest(tenant, id) {
      const row = await db
        .selectFrom('apps')
        .select('doc')
        .where('tenant', '=', tenant)
        .where('id', '=', id)
        .orderBy('created', 'desc')
        .executeTakeFirst();
      return row ? toApp(row) : null;
    },
    async replace(app) {
      await db
        .updateTable('apps')
        .set({ doc: JSON.stringify(app) })
        .where('tenant', '=', app.tenant)
        .where('id', '=', app.id)
        .where('version', '=', app.version)
        .execute();
      return app;
    },
    async list(tenant) {
      const rows = await db
        .selectFrom('apps')
        .select('doc')
        .where('tenant', '=', tenant)
        .orderBy('id')
        .orderBy('created', 'desc')
        .execute();
      return rows.map(toApp);
    },
  };
};
