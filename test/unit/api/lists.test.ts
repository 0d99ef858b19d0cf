import { get } from 'node:http';

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
    expect((await post('/v3/systems', { id: 'three', ...SYSTEM }, 'stranger')).status).toBe(201);
    // a deleted one counts, or the store could be filled by deleting
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

    const grants = [];
    for (let i = 0; i < 31; i++)
      grants.push((await post(`/v3/systems/perms/one/user/u${i}`, { permissions: ['EXECUTE'] })).status);
    // each client is a permission that its owner has of it, too
    expect(new Set(grants.slice(0, 27))).toEqual(new Set([201]));
    expect(new Set(grants.slice(27))).toEqual(new Set([409]));

    const jobs = [];
    for (let i = 0; i < 3; i++)
      jobs.push((await post('/v3/jobs/submit', { name: 'j', appId: 'img', appVersion: '0.0.1' })).status);
    expect(jobs).toEqual([200, 200, 409]);
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

/* Rows as an earlier version took them: a thousand systems with large notes, and jobs with large plans. */
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

  /** Asks without reading the answer's members, which would hold the loop of this very process. */
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
      recordCount: 1,
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
});
