import { KilimError } from '../domain/errors.js';
import type { Credential, SchedulerProfile, System } from '../domain/systems/system.js';
import type { Db } from './database.js';
import type { Seal } from './seal.js';
import type { ProfileStore, SystemStore } from './store.js';

export function createSystemStore(db: Db, seal: Seal): SystemStore {
  const toSystem = (row: { doc: string; host_key: string | null }): System => ({
    ...(JSON.parse(row.doc) as System),
    hostKey: row.host_key,
  });
  const credential = (tenant: string, id: string, kind: string, target: string) => ({
    tenant,
    system_id: id,
    kind,
    target,
  });
  return {
    async add(system) {
      const { hostKey, ...doc } = system;
      const added = await db.insertInto('systems').values({ tenant: system.tenant, id: system.id, doc: JSON.stringify(doc), host_key: hostKey })
        .onConflict((oc) => oc.doNothing()).returning('id').executeTakeFirst(); // prettier-ignore
      if (!added) throw new KilimError('CONFLICT', `The system ${system.id} exists.`);
      return system;
    },
    async find(tenant, id) {
      const row = await db
        .selectFrom('systems')
        .select(['doc', 'host_key'])
        .where('tenant', '=', tenant)
        .where('id', '=', id)
        .executeTakeFirst();
      return row ? toSystem(row) : null;
    },
    async replace(system) {
      const { hostKey, ...doc } = system;
      await db
        .updateTable('systems')
        .set({ doc: JSON.stringify(doc), host_key: hostKey })
        .where('tenant', '=', system.tenant)
        .where('id', '=', system.id)
        .execute();
      return system;
    },
    async list(tenant) {
      const rows = await db
        .selectFrom('systems')
        .select(['doc', 'host_key'])
        .where('tenant', '=', tenant)
        .orderBy('id')
        .execute();
      return rows.map(toSystem);
    },
    async pinHostKey(tenant, id, hostKey) {
      await db
        .updateTable('systems')
        .set({ host_key: hostKey })
        .where('tenant', '=', tenant)
        .where('id', '=', id)
        .execute();
    },
    async setCredential(tenant, id, kind, target, secret) {
      const sealed = seal.close(JSON.stringify(secret));
      await db.insertInto('credentials').values({ ...credential(tenant, id, kind, target), sealed })
        .onConflict((oc) => oc.columns(['tenant', 'system_id', 'kind', 'target']).doUpdateSet({ sealed })).execute(); // prettier-ignore
    },
    async getCredential(tenant, id, kind, target) {
      const row = await db
        .selectFrom('credentials')
        .select('sealed')
        .where((eb) => eb.and(credential(tenant, id, kind, target)))
        .executeTakeFirst();
      return row ? (JSON.parse(seal.open(row.sealed)) as Credential) : null;
    },
    async removeCredential(tenant, id, kind, target) {
      const gone = await db
        .deleteFrom('credentials')
        .where((eb) => eb.and(credential(tenant, id, kind, target)))
        .returning('target')
        .execute();
      return gone.length > 0;
    },
  };
}

export const createProfileStore = (db: Db): ProfileStore => ({
  async add(profile) {
    const added = await db.insertInto('profiles').values({ tenant: profile.tenant, name: profile.name, doc: JSON.stringify(profile) })
      .onConflict((oc) => oc.doNothing()).returning('name').executeTakeFirst(); // prettier-ignore
    if (!added) throw new KilimError('CONFLICT', `The scheduler profile ${profile.name} exists.`);
    return profile;
  },
  async find(tenant, name) {
    const row = await db
      .selectFrom('profiles')
      .select('doc')
      .where('tenant', '=', tenant)
      .where('name', '=', name)
      .executeTakeFirst();
    return row ? (JSON.parse(row.doc) as SchedulerProfile) : null;
  },
  async list(tenant) {
    const rows = await db
      .selectFrom('profiles')
      .select('doc')
      .where('tenant', '=', tenant)
      .orderBy('name')
      .execute();
    return rows.map(({ doc }) => JSON.parse(doc) as SchedulerProfile);
  },
  async remove(tenant, name) {
    const gone = await db
      .deleteFrom('profiles')
      .where('tenant', '=', tenant)
      .where('name', '=', name)
      .returning('name')
      .execute();
    return gone.length > 0;
  },
});
