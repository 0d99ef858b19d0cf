import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';

import { aTutorial, aWorld, type World } from './a-world.js';

let world: World;
beforeAll(async () => {
  world = await aWorld({ KILIM_LOCAL_USERS: 'alice,train301' });
  await aTutorial(world);
  mkdirSync(join(world.data, 'shared', 'deep'), { recursive: true });
  writeFileSync(join(world.data, 'shared', 'deep', 'a.json'), '{"a":1}');
});
afterAll(() => world.close());

const as = (user: string, method: string, path: string, body?: unknown) => world.ask(method, path, { as: user, ...(body === undefined ? {} : { body }) }); // prettier-ignore

it.each<[string, string, unknown, [number, number, number]]>([
  // owner, grantee with READ, stranger
  ['GET', '/v3/systems/vm', undefined, [200, 200, 403]],
  ['GET', '/v3/systems/vm/isEnabled', undefined, [200, 200, 403]],
  ['GET', '/v3/systems/perms/vm/user/train301', undefined, [200, 200, 403]],
  ['PATCH', '/v3/systems/vm', { description: 'x' }, [200, 403, 403]],
  ['POST', '/v3/systems/vm/enable', undefined, [200, 403, 403]],
  ['POST', '/v3/systems/perms/vm/user/stranger', { permissions: [] }, [400, 400, 400]],
  ['POST', '/v3/systems/vm/hostKey', undefined, [200, 403, 403]],
  ['POST', '/v3/systems/credential/vm/user/alice', { password: 'x' }, [201, 403, 403]],
  ['GET', '/v3/systems/credential/vm/user/alice', undefined, [403, 403, 403]],
  ['GET', '/v3/systems/vm?requireExecPerm=true', undefined, [200, 403, 403]],
  ['GET', '/v3/systems/vm?returnCredentials=true', undefined, [403, 403, 403]],
  ['GET', '/v3/files/ops/vm/shared', undefined, [200, 200, 403]],
  ['GET', '/v3/files/content/vm/shared/deep/a.json', undefined, [200, 200, 403]],
  ['GET', '/v3/files/utils/linux/vm/shared/deep', undefined, [200, 200, 403]],
  ['GET', '/v3/files/ops/vm', undefined, [200, 403, 403]],
  ['GET', '/v3/files/ops/vm/sharedother', undefined, [404, 403, 403]],
  ['POST', '/v3/files/ops/vm', { path: 'shared/new' }, [200, 403, 403]],
  ['PUT', '/v3/files/ops/vm/shared/deep', { operation: 'COPY', newPath: 'copy' }, [200, 403, 403]],
  ['POST', '/v3/files/permissions/vm/shared', { username: 'stranger', permission: 'NONE' }, [400, 400, 400]],
  ['GET', '/v3/files/permissions/vm/shared?username=train301', undefined, [200, 200, 403]],
  ['GET', '/v3/apps/img/0.0.1', undefined, [200, 403, 403]],
  ['POST', '/v3/jobs/submit', { name: 'j', appId: 'img', appVersion: '0.0.1' }, [200, 403, 403]],
  ['GET', '/v3/systems/nothing', undefined, [404, 404, 404]],
  ['GET', '/v3/files/ops/nothing/a', undefined, [404, 404, 404]],
])('%s %s', async (method, path, body, statuses) => {
  await as('alice', 'POST', '/v3/systems/perms/vm/user/train301', { permissions: ['READ'] });
  await as('alice', 'POST', '/v3/files/permissions/vm/shared', { username: 'train301', permission: 'READ' });
  const said = await Promise.all(
    ['alice', 'train301', 'stranger'].map((user) => as(user, method, path, body)),
  );
  expect(said.map(({ status }) => status)).toEqual(statuses);
});

it('hides another tenant’s things', async () => {
  const system = await world.deps.store.systems.find('dev', 'vm');
  if (!system) throw new Error('no system');
  await world.deps.store.systems.add({ ...system, tenant: 'other', id: 'theirs' });
  expect((await as('admin', 'GET', '/v3/systems/theirs')).status).toBe(404);
  expect((await as('admin', 'GET', '/v3/files/ops/theirs/a')).status).toBe(404);
  expect((await as('admin', 'GET', '/v3/systems?listType=ALL')).json.result).not.toContainEqual(expect.objectContaining({ id: 'theirs' })); // prettier-ignore
});

it('lets only named users define systems on this machine', async () => {
  const body = {
    id: 'mine',
    systemType: 'LINUX',
    host: 'localhost',
    defaultAuthnMethod: 'PASSWORD',
    rootDir: '/',
    canExec: false,
  };
  expect((await as('stranger', 'POST', '/v3/systems', body)).status).toBe(403);
  const remote = await as('stranger', 'POST', '/v3/systems', { ...body, host: 'host.example.org' });
  expect(remote.status).toBe(201);
  expect((await as('stranger', 'PATCH', '/v3/systems/mine', { host: 'localhost' })).status).toBe(403);
});

it('checks a credential by really connecting, and stores none that fails', async () => {
  const body = {
    id: 'unreachable', systemType: 'LINUX', host: '127.0.0.1', port: 1, defaultAuthnMethod: 'PASSWORD', effectiveUserId: 'bob', rootDir: '/home/bob', canExec: false,
    authnCredential: { password: 'hunter2' },
  }; // prettier-ignore
  const refused = await as('alice', 'POST', '/v3/systems', body);
  expect([refused.status, refused.text.includes('hunter2')]).toEqual([401, false]);
  expect((await as('alice', 'GET', '/v3/systems/unreachable')).status).toBe(404);
  expect((await as('alice', 'POST', '/v3/systems?skipCredentialCheck=True', body)).status).toBe(201);
  expect((await as('alice', 'POST', '/v3/systems', body)).status).toBe(409);
  expect((await as('alice', 'POST', '/v3/systems/credential/unreachable/user/bob/check')).status).toBe(401);
  expect((await as('alice', 'DELETE', '/v3/systems/credential/unreachable/user/bob')).status).toBe(201);
  expect((await as('alice', 'POST', '/v3/systems/credential/unreachable/user/bob/check')).status).toBe(404);
});

it('takes a fetched definition again under another id, deletes it and brings it back', async () => {
  const fetched = (await as('alice', 'GET', '/v3/systems/vm')).json.result;
  expect((await as('alice', 'POST', '/v3/systems', { ...fetched, id: 'vm2' })).status).toBe(201);
  const listed = await as(
    'alice',
    'GET',
    '/v3/systems?orderBy=id(desc)&limit=1&computeTotal=True&select=id,host',
  );
  expect([listed.json.result, listed.json.metadata.totalCount > 1]).toEqual([
    [{ id: 'vm2', host: 'localhost' }],
    true,
  ]);
  for (const [action, changes, status] of [
    ['disable', 1, 200],
    ['disable', 0, 200],
    ['delete', 1, 404],
    ['delete', 0, 404],
    ['undelete', 1, 200],
  ] as const) {
    expect((await as('alice', 'POST', `/v3/systems/vm2/${action}`)).json.result).toEqual({ changes });
    expect((await as('alice', 'GET', '/v3/systems/vm2')).status).toBe(status);
  }
  expect((await as('alice', 'GET', '/v3/files/ops/vm2/')).status).toBe(404);
  expect((await as('alice', 'PATCH', '/v3/systems/vm2', { rootDir: '/' })).status).toBe(400);
  expect(
    (await as('alice', 'PUT', '/v3/systems/vm2', { ...fetched, rootDir: '/', description: 'new' })).status,
  ).toBe(200);
  expect((await as('alice', 'GET', '/v3/systems/vm2')).json.result).toMatchObject({
    id: 'vm2',
    rootDir: world.data,
    description: 'new',
  });

  const app = (await as('alice', 'GET', '/v3/apps/img')).json.result;
  expect((await as('alice', 'POST', '/v3/apps', { ...app, version: '0.0.2' })).status).toBe(201);
  expect((await as('alice', 'POST', '/v3/apps', { ...app, version: '0.0.2' })).status).toBe(409);
  expect((await as('stranger', 'POST', '/v3/apps', { ...app, version: '6.6.6' })).status).toBe(403);
  expect((await as('alice', 'GET', '/v3/apps/img')).json.result.version).toBe('0.0.2');
  expect(
    (
      await as('alice', 'PATCH', '/v3/apps/img/0.0.2', {
        jobAttributes: { memoryMB: 7, parameterSet: { appArgs: [{ name: 'a', arg: 'b' }] } },
      })
    ).status,
  ).toBe(200);
  expect((await as('alice', 'GET', '/v3/apps/img/0.0.2')).json.result.jobAttributes).toMatchObject({
    memoryMB: 7,
    execSystemId: 'vm',
    parameterSet: { appArgs: [{ arg: 'b' }] },
  });
  expect((await as('alice', 'POST', '/v3/apps/img/0.0.2/disable')).json.result).toEqual({ changes: 1 });
  expect(
    (await as('alice', 'POST', '/v3/jobs/submit', { name: 'j', appId: 'img', appVersion: '0.0.2' })).status,
  ).toBe(400);
});

it('serves files by range, page and zip, and as bytes', async () => {
  const get = (path: string, headers = {}) =>
    world.ask('GET', `/v3/files/content/vm/${path}`, { as: 'alice', headers });
  const whole = await get('shared/deep/a.json');
  expect([whole.text, whole.type, whole.headers.get('content-length'), whole.headers.get('content-disposition')]).toEqual(['{"a":1}', 'application/octet-stream', '7', 'attachment; filename="a.json"']); // prettier-ignore
  const own = await get('shared/deep/a.json', { range: '0,2' });
  expect([own.status, own.text]).toEqual([200, '{"a']);
  const standard = await get('shared/deep/a.json', { Range: 'bytes=-2' });
  expect([standard.status, standard.text, standard.headers.get('content-range')]).toEqual([
    206,
    '1}',
    'bytes 5-6/7',
  ]);
  expect((await get('shared/deep/a.json', { Range: 'bytes=99-' })).status).toBe(416);
  expect((await get('shared/deep/a.json', { more: '1' })).type).toBe('text/plain');
  expect((await get('shared')).status).toBe(400);
  const zip = await get('shared?zip=True');
  expect([zip.status, zip.text.slice(0, 2)]).toEqual([200, 'PK']);
  expect((await get('shared/nothing')).status).toBe(404);
  writeFileSync(join(world.data, 'empty'), '');
  expect([(await get('empty')).status, (await get('empty')).text]).toEqual([200, '']);
});

it('moves files with their grants', async () => {
  await as('alice', 'POST', '/v3/files/ops/vm', { path: 'before/x' });
  await as('alice', 'POST', '/v3/files/permissions/vm/before', { username: 'train301', permission: 'READ' });
  expect((await as('train301', 'GET', '/v3/files/ops/vm/before')).status).toBe(200);
  expect(
    (await as('alice', 'PUT', '/v3/files/ops/vm/before', { operation: 'MOVE', newPath: 'after/there' }))
      .status,
  ).toBe(200);
  expect((await as('train301', 'GET', '/v3/files/ops/vm/after/there')).json.result).toMatchObject([
    { name: 'x', type: 'dir' },
  ]);
  expect((await as('train301', 'GET', '/v3/files/ops/vm/before')).status).toBe(403);
  expect((await as('alice', 'DELETE', '/v3/files/ops/vm/after')).status).toBe(200);
  expect((await as('train301', 'GET', '/v3/files/ops/vm/after/there')).status).toBe(403);
});

it('lets no link lead a grantee out of what was granted to him', async () => {
  writeFileSync(join(world.data, 'secret.txt'), 'secret');
  await as('alice', 'POST', '/v3/files/ops/vm', { path: 'fenced/in' });
  writeFileSync(join(world.data, 'fenced/in/plain.txt'), 'plain');
  symlinkSync('../secret.txt', join(world.data, 'fenced/out'));
  symlinkSync('in/plain.txt', join(world.data, 'fenced/inside'));
  symlinkSync('..', join(world.data, 'fenced/up'));
  await as('alice', 'POST', '/v3/files/permissions/vm/fenced', {
    username: 'train301',
    permission: 'MODIFY',
  });
  const read = async (user: string, path: string) =>
    (await as(user, 'GET', `/v3/files/content/vm/${path}`)).status;
  expect([await read('train301', 'fenced/inside'), await read('alice', 'fenced/out')]).toEqual([200, 200]);
  for (const path of ['fenced/out', 'fenced/up/secret.txt', 'fenced/up/fenced/../secret.txt'])
    expect([path, await read('train301', path)]).toEqual([path, 403]);
  expect((await as('train301', 'GET', '/v3/files/ops/vm/fenced/up')).status).toBe(403);
  expect((await as('train301', 'DELETE', '/v3/files/ops/vm/fenced/up/secret.txt')).status).toBe(403);
  const copy = { operation: 'COPY', newPath: 'fenced/up/copied.txt' };
  expect((await as('train301', 'PUT', '/v3/files/ops/vm/fenced/inside', copy)).status).toBe(403);
});

it('lets a job read and write on other systems only what its owner may', async () => {
  const system = (await as('alice', 'GET', '/v3/systems/vm')).json.result;
  await as('alice', 'POST', '/v3/systems', { ...system, id: 'other' });
  await as('alice', 'POST', '/v3/systems/perms/vm/user/train301', { permissions: ['READ', 'EXECUTE'] });
  await as('alice', 'POST', '/v3/apps/perms/img/user/train301', { permissions: ['READ', 'EXECUTE'] });
  const plans = async (user: string, more: object) =>
    (
      await as(user, 'POST', '/v3/jobs/submit?dryRun=true', {
        name: 'j', appId: 'img', appVersion: '0.0.1', ...more,
      })
    ).status; // prettier-ignore
  const input = (sourceUrl: string) => ({ fileInputs: [{ sourceUrl, targetPath: 'in' }] });
  const archive = (archiveSystemDir: string) => ({ archiveSystemId: 'other', archiveSystemDir });
  expect(await plans('train301', input('tapis://vm/shared'))).toBe(200);
  expect(await plans('train301', input('tapis://other/open/deep'))).toBe(403);
  expect(
    await plans('train301', { fileInputArrays: [{ sourceUrls: ['tapis://other/open/a', 'TAPIS://other/b'] }] }),
  ).toBe(403); // prettier-ignore
  expect(await plans('train301', input('tapis://nothing/a'))).toBe(404);

  await as('alice', 'POST', '/v3/systems/perms/other/user/train301', { permissions: ['READ'] });
  await as('alice', 'POST', '/v3/files/permissions/other/open', { username: 'train301', permission: 'READ' });
  expect(await plans('train301', input('tapis://other/open/deep'))).toBe(200);
  expect(await plans('train301', input('tapis://other/open/../closed'))).toBe(403);
  expect(await plans('train301', archive('open'))).toBe(403);
  await as('alice', 'POST', '/v3/files/permissions/other/to', { username: 'train301', permission: 'MODIFY' });
  expect(await plans('train301', archive('to/${JobUUID}'))).toBe(200);
  expect(await plans('train301', archive('to-day'))).toBe(403);
  expect(await plans('train301', { ...archive('open'), archiveMode: 'NEVER' })).toBe(200);
  for (const given of [input('tapis://other/closed'), archive('closed')])
    expect(await plans('alice', given)).toBe(200);

  const app = { id: 'mine', version: '1', runtime: 'ZIP', jobAttributes: { execSystemId: 'vm' } };
  await as('train301', 'POST', '/v3/apps', { ...app, containerImage: 'tapis://other/closed/app.zip' });
  expect(await plans('train301', { appId: 'mine', appVersion: '1' })).toBe(403);
});

it('submits once per Idempotency-Key, plans without acting on a dry run, resubmits', async () => {
  const body = { name: 'once', appId: 'img', appVersion: '0.0.1' };
  const submit = (given: object, key: string) => world.ask('POST', '/v3/jobs/submit', { as: 'alice', body: given, headers: { 'Idempotency-Key': key } }); // prettier-ignore
  const [first, second] = [await submit(body, 'k1'), await submit(body, 'k1')];
  expect(second.json.result.uuid).toBe(first.json.result.uuid);
  expect((await submit({ ...body, name: 'other' }, 'k1')).status).toBe(409);
  const long = await submit(body, 'k'.repeat(256));
  expect([long.status, long.json.message]).toEqual([400, expect.stringContaining('Idempotency-Key')]);
  const total = async () =>
    (await as('alice', 'GET', '/v3/jobs/list?computeTotal=true')).json.metadata.totalCount;
  const before = await total();
  const dry = await as('alice', 'POST', '/v3/jobs/submit?dryRun=true', body);
  expect([dry.status, dry.json.result.script]).toEqual([200, expect.stringContaining('#!')]);
  expect(await total()).toBe(before);

  const { uuid } = first.json.result;
  expect((await as('alice', 'GET', `/v3/jobs/${uuid}/resubmit_request`)).json.result).toEqual(body);
  expect((await as('alice', 'POST', `/v3/jobs/${uuid}/resubmit`)).json.result.uuid).not.toBe(uuid);
  expect((await as('stranger', 'POST', `/v3/jobs/${uuid}/resubmit`)).status).toBe(401);
  const resubmit = (of: string, key: string, query = '') => world.ask('POST', `/v3/jobs/${of}/resubmit${query}`, { as: 'alice', headers: { 'Idempotency-Key': key } }); // prettier-ignore
  const repeated = (await resubmit(uuid, 'k2')).json.result.uuid;
  expect((await resubmit(uuid, 'k2')).json.result.uuid).toBe(repeated);
  expect((await resubmit(repeated, 'k2')).status).toBe(409);
  expect((await resubmit(uuid, 'k1')).status).toBe(409); // that of its submission
  const resubmitted = await total();
  expect((await resubmit(uuid, 'k3', '?dryRun=true')).json.result.script).toContain('#!');
  expect(await total()).toBe(resubmitted);
  const formed = await fetch(`${world.url}/v3/jobs/submit`, {
    method: 'POST',
    headers: {
      'X-Tapis-Token': await world.token('alice'),
      'Content-Type': 'application/x-www-form-urlencoded',
    },
    body: 'name=formed&appId=img&appVersion=0.0.1',
  });
  const { result } = (await formed.json()) as { result: { uuid: string } };
  const again = await as('alice', 'POST', `/v3/jobs/${result.uuid}/resubmit`);
  expect([again.status, again.json.result.name]).toEqual([200, 'formed']);
  expect((await as('alice', 'POST', '/v3/jobs/nothing/resubmit')).status).toBe(400);
  expect((await as('alice', 'POST', `/v3/jobs/${uuid}/hide`)).status).toBe(409);
  expect((await as('alice', 'GET', `/v3/jobs/${uuid}/output/list/`)).status).toBe(400);
  expect((await as('alice', 'GET', `/v3/jobs/${uuid}/output/list/?allowIfRunning=true`)).status).toBe(404);
});
