import { appendFileSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';

import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { outputsFor } from '../../../api/authorize.js';
import type { Answer, Bytes, Call } from '../../../api/route.js';
import { jobOutputRoutes } from '../../../api/routes/job-outputs.js';
import type { Job } from '../../../domain/jobs/job.js';
import type { Store } from '../../../store/store.js';
import { aPlan } from '../../support/a-plan.js';
import { aTutorial, aWorld, type World } from './a-world.js';

let world: World;
let uuid: string;
let exec: string;
beforeAll(async () => {
  world = await aWorld({ KILIM_LOCAL_USERS: 'alice,train301' });
  await aTutorial(world);
  const archive = {
    id: 'store', systemType: 'LINUX', host: 'localhost', defaultAuthnMethod: 'PASSWORD', effectiveUserId: 'alice',
    rootDir: join(world.data, 'store'), canExec: false,
  }; // prettier-ignore
  expect((await as('alice', 'POST', '/v3/systems', archive)).status).toBe(201);
  mkdirSync(join(world.data, 'private'));
  writeFileSync(join(world.data, 'private/secret'), 'secret');
});
afterAll(() => world.close());

const as = (user: string, method: string, path: string, body?: unknown) => world.ask(method, path, { as: user, ...(body === undefined ? {} : { body }) }); // prettier-ignore
const mayUse = (resource: string, ...permissions: string[]) =>
  as('alice', 'POST', `/v3/${resource}/user/train301`, { permissions });
const revoke = (resource: string, ...permissions: string[]) =>
  as('alice', 'POST', `/v3/${resource}/user/train301/revoke`, { permissions });

/** train301's job on alice's system, with links in its outputs. */
beforeEach(async () => {
  await mayUse('systems/perms/vm', 'READ', 'EXECUTE');
  await mayUse('apps/perms/img', 'READ', 'EXECUTE');
  await mayUse('systems/perms/store', 'READ');
  const on = (path: string) => as('alice', 'POST', `/v3/files/permissions/store/${path}`, { username: 'train301', permission: 'MODIFY' }); // prettier-ignore
  await on('drop');
  const request = { name: 'j', appId: 'img', appVersion: '0.0.1', archiveSystemId: 'store', archiveSystemDir: 'drop/a' }; // prettier-ignore
  const { json, text } = await as('train301', 'POST', '/v3/jobs/submit', request);
  expect(json.status, text).toBe('success');
  uuid = json.result.uuid as string;
  exec = join(world.data, 'workdir/jobs', uuid);
  mkdirSync(join(exec, 'output/d'), { recursive: true });
  writeFileSync(join(exec, 'output/d/result'), 'result');
  symlinkSync('d/result', join(exec, 'output/latest'));
  symlinkSync(world.data, join(exec, 'output/r'));
});

const read = async (what: string, user = 'train301') => {
  const said = await as(user, 'GET', `/v3/jobs/${uuid}/output/${what}?allowIfRunning=true`);
  return said.status === 200 ? said.text : said.status;
};
const end = async (archived: boolean) => {
  let rev = (await world.deps.store.jobs.find(uuid))?.rev ?? 0;
  for (const status of ['PROCESSING_INPUTS', archived ? 'STAGING_INPUTS' : 'CANCELLED'] as const)
    await world.deps.store.jobs.record({ uuid, rev: ++rev, status });
  for (const status of archived ? (['STAGING_JOB', 'SUBMITTING_JOB', 'QUEUED', 'RUNNING', 'ARCHIVING'] as const) : [])
    await world.deps.store.jobs.record({ uuid, rev: ++rev, status });
  if (archived) await world.deps.store.jobs.record({ uuid, rev: ++rev, status: 'FINISHED', archived });
}; // prettier-ignore

describe.each([
  ['runs', () => Promise.resolve()],
  ['has ended', () => end(false)],
])('the outputs of a job that %s', (_, ends) => {
  beforeEach(ends);

  it('are served, and no link leads out of them', async () => {
    expect(await read('download/latest')).toBe('result');
    expect(await read('list/d')).toContain('d/result');
    expect(await read('download/r/private/secret')).toBe(403);
    expect(await read('list/r')).toBe(403);
    expect(await read('download/r')).toBe(403);
    expect(String(await read('download/'))).not.toContain('secret');
  });

  it.each([
    ['the output directory', 'output', ''],
    ['the directory of the job', '.', 'output'],
  ])('are refused where the job has put a link in the place of %s', async (__, which, below) => {
    const [dir, away] = [join(exec, which), join(world.data, `away-${uuid}`)];
    renameSync(dir, away);
    symlinkSync(below === '' ? world.data : join(away, '..'), dir);
    mkdirSync(join(world.data, below), { recursive: true });
    writeFileSync(join(world.data, below, 'bait'), 'secret');
    expect(await read('download/bait')).toBe(403);
    expect(await read('list/')).toBe(403);
    rmSync(dir);
  });

  it('are refused once the right to run jobs on the system was taken back', async () => {
    await revoke('systems/perms/vm', 'EXECUTE');
    for (const what of ['list/', 'list/d', 'download/latest', 'download/', 'download/r'])
      expect(await read(what), what).toBe(403);
    expect(await read('download/latest', 'admin')).toBe('result');
    // a permission on the path is enough, as for any other file
    await as('alice', 'POST', '/v3/files/permissions/vm/workdir', { username: 'train301', permission: 'READ' }); // prettier-ignore
    expect(await read('download/latest')).toBe('result');
    expect(await read('download/r/private/secret')).toBe(403);
    await as('alice', 'DELETE', '/v3/files/permissions/vm/workdir?username=train301');
    expect(await read('download/latest')).toBe(403);
  });

  it.each([
    ['disabled', 'disable', 'enable'],
    ['deleted', 'delete', 'undelete'],
  ])('are refused while the system is %s', async (__, away, back) => {
    await as('alice', 'POST', `/v3/systems/vm/${away}`);
    const said = await as('train301', 'GET', `/v3/jobs/${uuid}/output/list/?allowIfRunning=true`);
    await as('alice', 'POST', `/v3/systems/vm/${back}`);
    expect([said.status, said.json.message]).toEqual([404, expect.stringContaining('vm was not found or is not enabled')]); // prettier-ignore
    await mayUse('systems/perms/vm', 'READ', 'EXECUTE'); // a system that was deleted has lost its grants
    expect(await read('download/latest')).toBe('result');
  });

  it('are read at the present address of the system', async () => {
    const move = (port: number) => as('alice', 'PATCH', '/v3/systems/vm', { port });
    expect((await move(9)).status).toBe(200);
    const moved = await read('download/latest');
    expect((await move(-1)).status).toBe(200);
    expect(moved).toBeGreaterThanOrEqual(400);
  });
});

/** The answer of the handler of a route to a request by train301. */
const handled = (what: 'list' | 'download', path: string) => {
  const route = jobOutputRoutes.find(({ path: served }) => String(served).includes(what));
  const call = {
    request: { url: `/v3/jobs/${uuid}/output/${what}/${path}`, method: 'GET' },
    caller: { tenant: 'dev', user: 'train301', isAdmin: false },
    query: { allowIfRunning: 'true' },
    headers: {},
  } as unknown as Call;
  return route?.handle(call, world.deps);
};

it('a file of an ended job that has grown since is sent with no more bytes than its answer promises', async () => {
  await end(false);
  const { open, size } = (await handled('download', 'd/result')) as Bytes;
  appendFileSync(join(exec, 'output/d/result'), 'HTTP/1.1 200 OK');
  expect(size).toBe('result'.length);
  expect(await text(await open(new AbortController().signal))).toBe('result');
});

it('a list is sent in slices, as it may have 100,000 entries', async () => {
  const { slices } = (await handled('list', '')) as Answer;
  const names: unknown[] = [];
  for await (const some of slices ?? []) names.push(...some.map((one) => (one as { name: string }).name));
  expect(names).toContain('result');
});

it('an archive is served to the owner of the job while the path there is granted to that user', async () => {
  await end(true);
  const archive = join(world.data, 'store/drop/a');
  mkdirSync(archive, { recursive: true });
  mkdirSync(join(world.data, 'store/drop/b'), { recursive: true });
  writeFileSync(join(archive, 'result'), 'archived');
  writeFileSync(join(world.data, 'store/drop/b/other'), 'another job');
  if (!(await read('list/')).toString().includes('"up"')) symlinkSync('../b', join(archive, 'up'));
  expect(await read('download/result')).toBe('archived');
  expect(await read('download/up/other')).toBe(403);
  await as('alice', 'DELETE', '/v3/files/permissions/store/drop?username=train301');
  expect([await read('download/result'), await read('list/')]).toEqual([403, 403]);
});

it('in a shared application context the right of the grantor counts', async () => {
  const plan = aPlan({
    owner: 'bob', sharedAppCtx: 'olga', sharedAppCtxAttribs: ['SAC_EXEC_SYSTEM_ID', 'SAC_EXEC_SYSTEM_OUTPUT_DIR'],
  }); // prettier-ignore
  const store = {
    systems: { find: (_tenant: string, id: string) => Promise.resolve({ id, owner: 'olga', enabled: true, deleted: false }) },
    grants: { levels: () => Promise.resolve([]) },
    users: { isAdmin: () => Promise.resolve(false) },
  } as unknown as Store; // prettier-ignore
  const asked = (given: typeof plan) =>
    outputsFor(store, { tenant: 'dev', user: 'bob', isAdmin: false }, { plan: given } as unknown as Job, { isArchived: false, base: 'out' }); // prettier-ignore
  expect((await asked(plan)).fence).toBe('');
  await expect(asked({ ...plan, sharedAppCtxAttribs: ['SAC_EXEC_SYSTEM_ID'] })).rejects.toThrow('bob may not READ out'); // prettier-ignore
});
