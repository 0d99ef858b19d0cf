import { mkdirSync } from 'node:fs';
import { get } from 'node:http';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import type { JobPlan } from '../../../domain/jobs/job-plan.js';
import { Sqlite } from '../../../store/sqlite.js';
import { longestStall } from '../../support/loop-monitor.js';
import { aPlanned } from '../store/a-store.js';
import { aTutorial, aWorld, type World } from './a-world.js';

const SYSTEM = {
  systemType: 'LINUX',
  host: 'vm.example.org',
  defaultAuthnMethod: 'PASSWORD',
  rootDir: '/',
  canExec: false,
};
let world: World;
afterAll(() => world.close());

describe('what a user may have', () => {
  beforeAll(async () => {
    world = await aWorld({ KILIM_USER_MAX_RECORDS: '3', KILIM_USER_MAX_LIVE_JOBS: '2' });
    await aTutorial(world);
  });
  const post = (path: string, body: unknown, as = 'alice') => world.ask('POST', path, { as, body });

  it('is limited in systems, application versions, profiles, clients, permissions and live jobs', async () => {
    for (const id of ['one', 'two']) expect((await post('/v3/systems', { id, ...SYSTEM })).status).toBe(201);
    const fourth = await post('/v3/systems', { id: 'three', ...SYSTEM });
    expect([fourth.status, fourth.json.message]).toEqual([
      409,
      expect.stringContaining('alice has 3 systems'),
    ]);
    expect(fourth.json.message).toContain('KILIM_USER_MAX_RECORDS');
    expect(fourth.json.message).toContain('Deleted ones count');
    expect((await post('/v3/systems', { id: 'three', ...SYSTEM }, 'stranger')).status).toBe(201);
    // a deleted system counts, because otherwise the store could be filled by adding and deleting
    await post('/v3/systems/two/delete', undefined);
    expect((await post('/v3/systems', { id: 'four', ...SYSTEM })).status).toBe(409);

    const app = { runtime: 'ZIP', containerImage: '/tmp/app.zip' };
    const versions = [];
    for (const version of ['2', '3', '4'])
      versions.push((await post('/v3/apps', { id: 'img', version, ...app })).status);
    expect(versions).toEqual([201, 201, 409]);

    const made = [];
    for (let i = 0; i < 4; i++) made.push((await post('/v3/oauth2/clients', {})).status);
    expect(made).toEqual([200, 200, 200, 409]);

    const profiles = [];
    for (const name of ['a', 'b', 'c', 'd'])
      profiles.push((await post('/v3/systems/schedulerProfile', { name, moduleLoads: [] })).status);
    expect(profiles).toEqual([201, 201, 201, 409]);
    // a profile that is deleted is removed at once
    const fifth = await post('/v3/systems/schedulerProfile', { name: 'e', moduleLoads: [] });
    expect(fifth.json.message).toContain('alice has 3 scheduler profiles');
    expect(fifth.json.message).not.toContain('Deleted ones count');
    const gone = await world.ask('DELETE', '/v3/systems/schedulerProfile/a', { as: 'alice' });
    expect(gone.status).toBe(200);
    expect((await post('/v3/systems/schedulerProfile', { name: 'e', moduleLoads: [] })).status).toBe(201);

    const grants = [];
    for (let i = 0; i < 31; i++)
      grants.push((await post(`/v3/systems/perms/one/user/u${i}`, { permissions: ['EXECUTE'] })).status);
    // each client counts as a permission as well, because its owner holds one on it
    expect(new Set(grants.slice(0, 27))).toEqual(new Set([201]));
    expect(new Set(grants.slice(27))).toEqual(new Set([409]));

    const jobs = [];
    for (let i = 0; i < 3; i++)
      jobs.push((await post('/v3/jobs/submit', { name: 'j', appId: 'img', appVersion: '0.0.1' })).status);
    expect(jobs).toEqual([200, 200, 409]);
  });

  it('cannot be given to a user who has as many as a user may have', async () => {
    for (const id of ['s2', 's3'])
      expect((await post('/v3/systems', { id, ...SYSTEM }, 'stranger')).status).toBe(201);
    const app = { runtime: 'ZIP', containerImage: '/tmp/app.zip' };
    for (const version of ['1', '2', '3'])
      expect((await post('/v3/apps', { id: 's', version, ...app }, 'stranger')).status).toBe(201);
    for (const path of ['/v3/systems/one/changeOwner/stranger', '/v3/apps/img/changeOwner/stranger']) {
      const { status, json } = await post(path, undefined);
      expect([status, json.message], path).toEqual([409, expect.stringContaining('stranger has 3')]);
    }
    expect((await world.deps.store.systems.find('dev', 'one'))?.owner).toBe('alice');
    expect((await world.deps.store.apps.findLatest('dev', 'img'))?.owner).toBe('alice');
    expect((await post('/v3/apps/img/changeOwner/train301', undefined)).status).toBe(200);
    expect((await post('/v3/apps/img/changeOwner/alice', undefined, 'train301')).status).toBe(200);
  });

  it('is refused above 64 KiB of notes, wherever notes may stand', async () => {
    const notes = { text: 'x'.repeat(64 * 1024) };
    const refused = [
      await post('/v3/systems', { id: 'n', ...SYSTEM, notes }),
      await post('/v3/apps', { id: 'n', version: '1', runtime: 'ZIP', containerImage: '/tmp/a.zip', notes }),
      await post('/v3/jobs/submit', { name: 'n', appId: 'img', appVersion: '0.0.1', notes }),
      await post('/v3/jobs/submit', { name: 'n', appId: 'img', appVersion: '0.0.1', parameterSet: { appArgs: [{ arg: 'a', notes }] } }),
    ]; // prettier-ignore
    for (const { status, json } of refused) {
      expect(status).toBe(400);
      expect(json.message).toMatch(/notes: may have at most 64 KiB as JSON/);
    }
  });
});

/* Rows as an earlier release accepted them: a thousand systems, versions and profiles with large texts, and jobs with large plans. */
describe('lists of large rows', () => {
  const SYSTEMS = 1200;
  const JOBS = 1500;
  const LARGE = 128 * 1024;
  beforeAll(async () => {
    await world.close();
    world = await aWorld();
    await aTutorial(world);
    const file = world.deps.config.DATABASE_URL.replace('sqlite:', '');
    const database = new Sqlite(file);
    const doc = (await world.deps.store.systems.find('dev', 'vm')) ?? {};
    database.exec(`with recursive n(i) as (select 1 union all select i + 1 from n where i < ${SYSTEMS})
      insert into systems (tenant, id, owner, head, doc) select 'dev', 'large-' || i, 'alice',
        json_set('${JSON.stringify({ ...doc, notes: undefined })}', '$.id', 'large-' || i),
        json_set('${JSON.stringify(doc)}', '$.id', 'large-' || i, '$.notes', json_object('text', hex(zeroblob(${LARGE / 2})))) from n`);
    const wide = { ...((await world.deps.store.apps.findLatest('dev', 'img')) ?? {}), id: 'wide' };
    database.exec(`with recursive n(i) as (select 1 union all select i + 1 from n where i < ${SYSTEMS})
      insert into apps (tenant, id, version, owner, created, head, doc) select 'dev', 'wide', i, 'alice', '2026',
        json_set('${JSON.stringify({ ...wide, notes: undefined })}', '$.version', cast(i as text)),
        json_set('${JSON.stringify(wide)}', '$.version', cast(i as text), '$.notes', json_object('text', hex(zeroblob(${LARGE / 2})))) from n`);
    database.exec(`with recursive n(i) as (select 1 union all select i + 1 from n where i < ${SYSTEMS})
      insert into profiles (tenant, name, doc) select 'dev', 'large-' || i,
        json_object('name', 'large-' || i, 'owner', 'bob', 'description', hex(zeroblob(${LARGE / 2}))) from n`);
    database.exec(`with recursive n(i) as (select 1 union all select i + 1 from n where i < 10000)
      insert into grants (tenant, resource, username, level, grantor, created)
        select 'dev', 'system:large-7', 'u' || i, 'READ', 'alice', '' from n
        union all select 'dev', 'files:vm:d/' || i, 'bob', 'READ', 'alice', '' from n`);
    const { plan, env } = aPlanned({ description: 'large' } satisfies Partial<JobPlan>);
    const { uuid } = await world.deps.store.jobs.add({ plan, env }, '{}');
    database.exec(`with recursive n(i) as (select 1 union all select i + 1 from n where i < ${JOBS})
      insert into jobs (uuid, tenant, owner, name, app_id, app_version, exec_system_id, archive_system_id, watch_key, keeper, plan, env, request,
        status, last_message, created, last_updated)
      select 'large-' || i, tenant, owner, name, app_id, app_version, exec_system_id, archive_system_id, watch_key, keeper,
        json_set(plan, '$.notes.text', hex(zeroblob(${LARGE / 8}))), env, request, status, last_message, created, last_updated
      from n, jobs where uuid = '${uuid}'`);
    database.close();
    await world.token('alice');
  }, 120_000);

  /** Requests a path without parsing the answer, because parsing would block the event loop of this same process. */
  const sizeOf = async (path: string): Promise<{ status: number; bytes: number; end: string }> => {
    const headers = { 'X-Tapis-Token': await world.token('alice') };
    return new Promise((resolve, reject) => {
      get(world.url + path, { headers }, (reply) => {
        let bytes = 0;
        let end = '';
        reply.on('data', (chunk: Buffer) => {
          bytes += chunk.length;
          end = chunk.subarray(-20).toString();
        });
        reply.on('end', () => resolve({ status: reply.statusCode ?? 0, bytes, end }));
        reply.on('error', reject);
      }).on('error', reject);
    });
  };

  it.each([
    ['/v3/systems?limit=-1', 100_000],
    ['/v3/systems?limit=-1&orderBy=host(desc),port&search=(id.like.large*)', 100_000],
    ['/v3/systems?limit=-1&select=allAttributes', 1000 * LARGE],
    ['/v3/systems/schedulerProfile', SYSTEMS * LARGE],
    ['/v3/jobs/list?limit=-1', 100_000],
    ['/v3/jobs/search?limit=-1&description.like=*l*a*r*g*e*', 100_000],
    ['/v3/jobs/search?limit=-1&select=allAttributes', (1000 * LARGE) / 4],
  ])(
    '%s never holds the event loop for 100 ms',
    async (path, atLeast) => {
      const held = await longestStall(async () => {
        const { status, bytes, end } = await sizeOf(path);
        expect([status, end.endsWith(']}')]).toEqual([200, true]);
        expect(bytes).toBeGreaterThan(atLeast);
      });
      expect(held).toBeLessThan(100);
    },
    60_000,
  );

  it('tells how many records a page may have', async () => {
    const metadata = async (path: string) => (await world.ask('GET', path, { as: 'alice' })).json.metadata;
    expect(await metadata('/v3/systems?limit=-1')).toMatchObject({
      recordLimit: 10_000,
      recordCount: SYSTEMS + 1,
    });
    expect(await metadata('/v3/systems?limit=99999&search=(id.eq.vm)')).toMatchObject({
      recordLimit: 10_000,
      recordCount: 1,
    });
    expect(await metadata('/v3/systems?limit=0&search=(id.eq.vm)')).toMatchObject({
      recordLimit: 10_000,
      recordCount: 1,
    });
    expect(await metadata('/v3/systems?limit=-1&select=notes&search=(id.eq.vm)')).toMatchObject({
      recordLimit: 1000,
    });
    expect(await metadata('/v3/apps?limit=-1&select=allAttributes')).toMatchObject({
      recordLimit: 1000,
      recordCount: 2,
    });
    expect(await metadata('/v3/jobs/list?limit=-1')).toMatchObject({
      recordLimit: 10_000,
      recordCount: JOBS + 1,
    });
    expect(await metadata('/v3/jobs/search?limit=5000&select=description&name.eq=none')).toMatchObject({
      recordLimit: 1000,
    });
    expect(await metadata('/v3/jobs/list?limit=7')).toMatchObject({ recordLimit: 7, recordCount: 7 });
  });

  it('starts after a value only in an order, and not beside a skip', async () => {
    const message = async (query: string) =>
      (await world.ask('GET', `/v3/systems?${query}`, { as: 'alice' })).json.message;
    expect(await message('startAfter=b')).toContain('startAfter: needs orderBy');
    expect(await message('startAfter=b&orderBy=id&skip=1')).toContain('startAfter: excludes skip');
  });

  it.each<[string, string, string, unknown]>([
    ['a change of many large versions', 'POST', '/v3/apps/wide/disable', undefined],
    ['the deletion of a system with many permissions', 'POST', '/v3/systems/large-7/delete', undefined],
    ['a move of many permissions', 'PUT', '/v3/files/ops/vm/d', { operation: 'MOVE', newPath: 'e' }],
  ])(
    '%s never holds the event loop for 100 ms',
    async (_what, method, path, body) => {
      mkdirSync(join(world.data, 'd'), { recursive: true });
      const held = await longestStall(async () => {
        const { status, text } = await world.ask(method, path, { as: 'alice', body });
        expect(status, text).toBe(200);
      });
      expect(held).toBeLessThan(100);
    },
    60_000,
  );

  it('a change reaches all versions of an application', async () => {
    for (const version of ['1', '7', `${SYSTEMS}`])
      expect((await world.deps.store.apps.find('dev', 'wide', version))?.enabled).toBe(false);
  });
});
