import { sql, type RawBuilder, type SqlBool } from 'kysely';

import { KilimError } from '../domain/errors.js';
import type { Credential, SchedulerProfile, System } from '../domain/systems/system.js';
import { SYSTEM_ATTRIBUTES } from '../domain/search/attributes.js';
import { countRows } from './count.js';
import type { Db } from './database.js';
import { isPostgres } from './dialects.js';
import { headAttribute, headColumns } from './heads.js';
import { jsonPlace } from './job-columns.js';
import { inBatches, inOrder } from './batches.js';
import { listIds, loginAttribute } from './registration-list.js';
import type { Seal } from './seal.js';
import type { ProfileStore, RegistrationQuery, SystemHead, SystemStore } from './store.js';

/** @param reader answers lists and searches, so that they do not hold up the statements of `db` */
export function createSystemStore(db: Db, reader: Db, seal: Seal): SystemStore {
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
  const logins: SystemStore['logins'] = async (tenant, user) => {
    const rows = await db
      .selectFrom('credentials')
      .select(['system_id', 'sealed'])
      .where('tenant', '=', tenant)
      .where('kind', '=', 'dynamic')
      .where('target', '=', user)
      .execute();
    const given = rows.map(
      (row) => [row.system_id, (JSON.parse(seal.open(row.sealed)) as Credential).loginUser] as const,
    );
    return new Map(given.flatMap(([id, login]) => (login ? [[id, login] as const] : [])));
  };
  const rowOf = (tenant: string, id: string) =>
    db
      .selectFrom('systems')
      .select(['doc', 'host_key'])
      .where('tenant', '=', tenant)
      .where('id', '=', id)
      .executeTakeFirst();
  const find: SystemStore['find'] = async (tenant, id) => {
    const row = await rowOf(tenant, id);
    return row ? toSystem(row) : null;
  };
  const pinFirstHostKey: SystemStore['pinFirstHostKey'] = async (tenant, id, at, hostKey) => {
    const row = await rowOf(tenant, id);
    if (!row) return null;
    const system = toSystem(row);
    if (system.host !== at.host || system.port !== at.port) return null;
    if (system.hostKey !== null) return system.hostKey;
    const pinned = await db
      .updateTable('systems')
      .set({ host_key: hostKey })
      .where('tenant', '=', tenant)
      .where('id', '=', id)
      .where('host_key', 'is', null)
      .where('doc', '=', row.doc) // only where the system has not moved since it was read
      .returning('id')
      .executeTakeFirst();
    return pinned ? hostKey : pinFirstHostKey(tenant, id, at, hostKey);
  };
  return {
    find,
    pinFirstHostKey,
    async add(system) {
      const { hostKey, ...doc } = system;
      const added = await db.insertInto('systems').values({ tenant: system.tenant, id: system.id, ...headColumns('systems', doc), host_key: hostKey })
        .onConflict((oc) => oc.doNothing()).returning('id').executeTakeFirst(); // prettier-ignore
      if (!added) throw new KilimError('CONFLICT', `The system ${system.id} exists.`);
      return system;
    },
    async replace(system) {
      const { hostKey, ...doc } = system;
      await db
        .updateTable('systems')
        .set({ ...headColumns('systems', doc), host_key: hostKey })
        .where('tenant', '=', system.tenant)
        .where('id', '=', system.id)
        .execute();
      return system;
    },
    async list(query, hasCredentials) {
      const kind = {
        table: 'systems' as const,
        resource: 'system:' as const,
        attributes: SYSTEM_ATTRIBUTES,
        attributeSql: loginAttribute(query.user, await logins(query.tenant, query.user)),
        ...(hasCredentials === null ? {} : { where: credentialSql(query, hasCredentials, isPostgres(db)) }),
      };
      const { rows, total } = await listIds(reader, kind, query, ['id']);
      return { ids: rows.map(({ id }) => id), total };
    },
    async heads(tenant, ids) {
      const rows = await systemsOf(reader, tenant, ids, 'head');
      return rows.map(({ head, host_key }) => ({
        ...(JSON.parse(head) as SystemHead),
        hostKey: host_key,
      }));
    },
    async many(tenant, ids) {
      return (await systemsOf(reader, tenant, ids, 'doc')).map(toSystem);
    },
    logins,
    countOwned: (tenant, owner) =>
      countRows(db.selectFrom('systems').where('tenant', '=', tenant).where('owner', '=', owner)),
    async unpinHostKey(tenant, id) {
      await db
        .updateTable('systems')
        .set({ host_key: null })
        .where('tenant', '=', tenant)
        .where('id', '=', id)
        .execute();
    },
    async setCredential(tenant, id, kind, target, { givenFor: { host, port }, ...secret }) {
      const kept = { sealed: seal.close(JSON.stringify(secret)), host, port };
      await db.insertInto('credentials').values({ ...credential(tenant, id, kind, target), ...kept })
        .onConflict((oc) => oc.columns(['tenant', 'system_id', 'kind', 'target']).doUpdateSet(kept)).execute(); // prettier-ignore
    },
    async getCredential(tenant, id, kind, target) {
      const row = await db
        .selectFrom('credentials')
        .select(['sealed', 'host', 'port'])
        .where((eb) => eb.and(credential(tenant, id, kind, target)))
        .executeTakeFirst();
      if (!row) return null;
      const { host, port } = row;
      return { ...(JSON.parse(seal.open(row.sealed)) as Credential), givenFor: { host, port } };
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

/** One column of these systems, and their host keys, in the order of the ids; systems that are gone are left out. */
const systemsOf = async <C extends 'head' | 'doc'>(
  db: Db,
  tenant: string,
  ids: readonly string[],
  column: C,
): Promise<({ host_key: string | null } & Record<C, string>)[]> => {
  const rows = await inBatches(
    ids,
    (some) =>
      db
        .selectFrom('systems')
        .select(['id', 'host_key', column])
        .where('tenant', '=', tenant)
        .where('id', 'in', some)
        .execute() as unknown as Promise<({ id: string; host_key: string | null } & Record<C, string>)[]>,
  );
  return inOrder(ids, rows, ({ id }) => id);
};

/**
 * Systems that the user has a credential for: for a dynamic system the user's own, else the one of its account. A
 * credential that was given for another address than the system has now must be given again, and does not count.
 */
function credentialSql(
  { tenant, user }: RegistrationQuery,
  wanted: boolean,
  pg: boolean,
): RawBuilder<SqlBool> {
  const login = headAttribute('effectiveUserId', 'string', pg);
  const has = sql<SqlBool>`exists (select 1 from credentials where credentials.tenant = ${tenant} and credentials.system_id = systems.id
    and credentials.host = ${headAttribute('host', 'string', pg)} and credentials.port = ${headAttribute('port', 'number', pg)}
    and case when ${login} = '\${apiUserId}' then kind = 'dynamic' and target = ${user} else kind = 'static' and target = ${login} end)`;
  return wanted ? has : sql`not ${has}`;
}

/** @param reader answers what may take long, beside the statements of `db` */
export const createProfileStore = (db: Db, reader: Db): ProfileStore => ({
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
  async names(tenant) {
    const rows = await reader
      .selectFrom('profiles')
      .select('name')
      .where('tenant', '=', tenant)
      .orderBy('name')
      .execute();
    return rows.map(({ name }) => name);
  },
  async countOwned(tenant, owner) {
    const { n } = await reader
      .selectFrom('profiles')
      .select((eb) => eb.fn.countAll<number>().as('n'))
      .where('tenant', '=', tenant)
      .where(sql<SqlBool>`${jsonPlace('doc', ['owner'], 'string', isPostgres(db))} = ${owner}`)
      .executeTakeFirstOrThrow();
    return Number(n);
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
