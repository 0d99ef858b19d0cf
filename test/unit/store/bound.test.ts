import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { watchKey } from '../../../domain/jobs/remote.js';
import { tables } from '../../../store/migrations/0001-tables.js';
import { orderAndIndexes } from '../../../store/migrations/0002-order-and-indexes.js';
import { usage } from '../../../store/migrations/0003-usage.js';
import { turns } from '../../../store/migrations/0004-turns.js';
import { byStatus } from '../../../store/migrations/0005-by-status.js';
import type { Store } from '../../../store/store.js';
import { aPlanned, DATABASES, type Place, withStore } from './a-store.js';

/* Jobs that were live when the store was migrated are still watched, and only their own host may tell of them. */

const UUID = '5d1c1f0e-0f5b-4c3e-9a53-6a7b8c9d0e1f-007';
const QUEUED = '6e2d2f1f-1a6c-4d4f-8b64-7b8c9d0e1f2a-007';
/** A plan of schema 5: it does not tell whether the login is static, and is watched by host, port and login name. */
const PLAN = `{"uuid":"${UUID}","tenant":"dev","owner":"alice","createdby":"alice","createdbyTenant":"dev","name":"old","keeper":"process",
"exec":{"systemId":"vm","rootDir":"/home/al","host":"vm.example.org","port":22,"loginUser":"al:x%","asUser":"alice"},
"archive":{"systemId":"vm","rootDir":"/home/al","host":"vm.example.org","port":22,"loginUser":"al:x%","asUser":"alice"}}`;
const SYSTEM = `{"tenant":"dev","id":"vm","owner":"alice","host":"vm.example.org","port":22,"effectiveUserId":"\${apiUserId}","enabled":true,"deleted":false,"notes":{}}`;

const aRow = (uuid: string, status: string, remoteJobId: string | null): string =>
  `insert into jobs (uuid, tenant, owner, name, app_id, app_version, exec_system_id, archive_system_id, watch_key, keeper, plan, env, request,
    status, last_message, rev, created, last_updated, remote_job_id)
   values ('${uuid}', 'dev', 'alice', 'old', 'app', '1', 'vm', 'vm', 'watch:dev:vm.example.org:22:al:x%', 'process', '${PLAN.replace(UUID, uuid)}', '', '',
    '${status}', 'old', 5, '2026-11-01T00:00:00.000000Z', '2026-11-01T00:00:00.000000Z', ${remoteJobId ? `'${remoteJobId}'` : 'null'})`;

describe.each(DATABASES)('a store of the schema 5 on $name', ({ name, make }) => {
  let place: Place;
  let store: Store | null = null;
  beforeEach(async () => {
    place = await make();
    const isPostgres = name === 'PostgreSQL';
    const on = {
      serial: isPostgres ? 'bigserial primary key' : 'integer primary key autoincrement',
      isPostgres,
    };
    for (const step of [tables, orderAndIndexes, usage, turns, byStatus])
      for (const text of step(on)) await place.sql(text);
    await place.sql('create table schema_version (version integer not null)');
    await place.sql('insert into schema_version values (5)');
    await place.sql(
      `insert into systems (tenant, id, doc, host_key) values ('dev', 'vm', '${SYSTEM}', 'SHA256:of-vm')`,
    );
  });
  afterEach(async () => {
    await store?.close();
    await place.remove();
  });

  it('watches its live jobs by system and login, and binds them to the host key that is pinned', async () => {
    await place.sql(aRow(UUID, 'RUNNING', '4711'));
    await place.sql(aRow(QUEUED, 'STAGING_JOB', null));
    await place.sql(
      "insert into host_snapshots values ('watch:dev:vm.example.org:22:al:x%', '2026-11-01T00:00:00.000Z')",
    );

    store = await place.open();
    const job = await store.jobs.get(UUID);
    const key = watchKey('dev', job.plan.exec);
    const live = await store.watch.liveJobs(key);
    expect(live.toSorted((a, b) => (a.uuid < b.uuid ? -1 : 1))).toEqual([
      { uuid: UUID, remoteJobId: '4711', keeper: 'process', launchedOn: 'SHA256:of-vm' },
      { uuid: QUEUED, remoteJobId: null, keeper: 'process', launchedOn: null },
    ]);
    expect(await store.watch.snapshotAge(key)).toBeNull(); // its watch begins again
    // a job that the same user submits now is watched together with it
    const exec = { ...job.plan.exec };
    const newer = await store.jobs.add(aPlanned({ exec }), '{}');
    expect((await store.watch.liveJobs(key)).map(({ uuid }) => uuid)).toContain(newer.uuid);
  });

  it('binds its credentials to the present addresses of their systems', async () => {
    await place.sql(
      "insert into credentials (tenant, system_id, kind, target, sealed) values ('dev', 'vm', 'dynamic', 'alice', 'v1.0')",
    );
    await place.sql(
      "insert into credentials (tenant, system_id, kind, target, sealed) values ('dev', 'gone', 'static', 'svc', 'v1.0')",
    );
    store = await place.open();
    expect(await place.sql('select system_id, host, port from credentials order by system_id desc')).toEqual([
      { system_id: 'vm', host: 'vm.example.org', port: 22 },
      { system_id: 'gone', host: '', port: 0 },
    ]);
  });
});

describe.each(DATABASES)('jobs and their hosts on $name', ({ make }) => {
  let store: Store;
  withStore(make, (opened) => ({ store } = opened), 'test');

  it('are bound once, and unbound by their owner, by the owner of the login, or by an administrator', async () => {
    const exec = { ...aPlanned().plan.exec, systemId: 'vm' };
    const shared = { ...exec, loginUser: 'svc', isStaticLogin: true };
    const add = async (owner: string, use: typeof exec): Promise<string> => {
      const { uuid } = await store.jobs.add(aPlanned({ owner, exec: { ...use, asUser: owner } }), '{}');
      expect(await store.jobs.bindToHost(uuid, 'SHA256:1')).toBe('SHA256:1');
      expect(await store.jobs.bindToHost(uuid, 'SHA256:2')).toBe('SHA256:1');
      return uuid;
    };
    const uuids = [
      await add('alice', exec),
      await add('bob', exec),
      await add('alice', shared),
      await add('bob', shared),
    ];
    const states = async (): Promise<(string | null)[]> => Promise.all(uuids.map(async (uuid) => (await store.jobs.get(uuid)).launchedOn)); // prettier-ignore
    const of = { tenant: 'dev', systemId: 'vm' };

    expect(await store.jobs.unbindFromHost({ ...of, tenant: 'other', owner: null, watchKey: null })).toBe(0);
    expect(await store.jobs.unbindFromHost({ ...of, owner: 'carol', watchKey: null })).toBe(0);
    expect(
      await store.jobs.unbindFromHost({ ...of, owner: 'carol', watchKey: watchKey('dev', shared) }),
    ).toBe(2);
    expect(await states()).toEqual(['SHA256:1', 'SHA256:1', null, null]);
    expect(await store.jobs.unbindFromHost({ ...of, owner: 'alice', watchKey: null })).toBe(1);
    expect(await states()).toEqual([null, 'SHA256:1', null, null]);
    expect(await store.jobs.unbindFromHost({ ...of, owner: null, watchKey: null })).toBe(1);
  });
});
