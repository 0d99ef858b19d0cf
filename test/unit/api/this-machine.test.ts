import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, beforeAll, expect, it } from 'vitest';

import { aTutorial, aWorld, type World } from './a-world.js';

/* KILIM_LOCAL_USERS names alice; it does not name train301 and stranger. */

let world: World;
beforeAll(async () => {
  world = await aWorld({ KILIM_SKIP_CREDENTIAL_CHECK: 'true' });
  await aTutorial(world);
  mkdirSync(join(world.data, 'shared'));
  writeFileSync(join(world.data, 'shared', 'a.txt'), 'a');
  for (const kind of ['systems', 'apps'])
    await as('alice', 'POST', `/v3/${kind}/perms/${kind === 'apps' ? 'img' : 'vm'}/user/train301`, { permissions: ['MODIFY', 'EXECUTE'] }); // prettier-ignore
  await as('alice', 'POST', '/v3/files/permissions/vm/shared', { username: 'train301', permission: 'READ' });
});
afterAll(() => world.close());

const as = (user: string, method: string, path: string, body?: unknown) => world.ask(method, path, { as: user, ...(body === undefined ? {} : { body }) }); // prettier-ignore
const aSystem = (id: string, port: number) => ({
  id, systemType: 'LINUX', host: 'localhost', port, defaultAuthnMethod: 'PASSWORD', effectiveUserId: 'x', rootDir: '/', canExec: true,
  jobWorkingDir: 'w', jobRuntimes: [{ runtimeType: 'ZIP' }],
}); // prettier-ignore
const submit = (user: string, more = {}) =>
  as(user, 'POST', '/v3/jobs/submit', { name: 'j', appId: 'img', appVersion: '0.0.1', ...more });

it('is not reached by a system that is given away and then moved to it', async () => {
  expect((await as('train301', 'POST', '/v3/systems', aSystem('direct', -1))).status).toBe(403);
  expect((await as('train301', 'POST', '/v3/systems', aSystem('trick', 22))).status).toBe(201);
  const rights = { permissions: ['READ', 'MODIFY', 'EXECUTE'] };
  await as('train301', 'POST', '/v3/systems/perms/trick/user/train301', rights);
  await as('train301', 'POST', '/v3/files/permissions/trick/', {
    username: 'train301',
    permission: 'MODIFY',
  });
  expect((await as('train301', 'POST', '/v3/systems/trick/changeOwner/alice')).status).toBe(200);
  // the permissions that the former owner had granted are gone
  expect((await as('train301', 'GET', '/v3/systems/trick')).status).toBe(403);
  expect(await world.deps.store.grants.listByPrefix('dev', 'files:trick:')).toEqual([]);
  // if the new owner grants one again, the caller who makes a change must still be listed
  await as('alice', 'POST', '/v3/systems/perms/trick/user/train301', rights);
  const { status, json } = await as('train301', 'PATCH', '/v3/systems/trick', { port: -1 });
  expect([status, json.message]).toEqual([403, expect.stringContaining('KILIM_LOCAL_USERS does not name train301')]); // prettier-ignore
  expect((await as('alice', 'GET', '/v3/systems/trick')).json.result.port).toBe(22);
});

it('is not given to an owner who may not use it', async () => {
  const { status, json } = await as('alice', 'POST', '/v3/systems/vm/changeOwner/stranger');
  expect([status, json.message]).toEqual([403, expect.stringContaining('does not name stranger')]);
  expect((await as('admin', 'POST', '/v3/systems', { ...aSystem('theirs', -1), owner: 'stranger' })).status).toBe(403); // prettier-ignore
});

it('runs jobs of listed users only, also when an administrator submits them', async () => {
  expect((await submit('alice')).status).toBe(200);
  for (const said of [await submit('train301'), await submit('admin', { owner: 'train301' })])
    expect([said.status, said.json.message]).toEqual([
      403,
      expect.stringContaining('does not name train301'),
    ]);
});

it('gives and takes no file of a job whose owner may not use it', async () => {
  await as('train301', 'POST', '/v3/systems', { ...aSystem('ssh', 22), effectiveUserId: '${apiUserId}' });
  await as('train301', 'POST', '/v3/apps', {
    id: 'own',
    version: '1',
    runtime: 'ZIP',
    containerImage: '/a.zip',
  });
  const job = { appId: 'own', appVersion: '1', execSystemId: 'ssh' };
  const input = { fileInputs: [{ sourceUrl: 'tapis://vm/shared/a.txt' }] };
  const archive = { archiveSystemId: 'vm', archiveSystemDir: 'shared' };
  for (const more of [input, archive])
    expect((await submit('train301', { ...job, ...more })).status).toBe(403);
  expect((await submit('train301', job)).status).toBe(200);
});

it('shows a granted path to other users as long as its owner may use it', async () => {
  const { uuid } = (await submit('alice')).json.result;
  const asked = () =>
    Promise.all([
      as('train301', 'GET', '/v3/files/content/vm/shared/a.txt'),
      as('alice', 'GET', '/v3/files/ops/vm/shared'),
      as('alice', 'GET', `/v3/jobs/${uuid}/output/list?allowIfRunning=true`),
      submit('alice'),
    ]).then((all) => all.map(({ status }) => status));
  expect(await asked()).toEqual([200, 200, 404, 200]);
  world.deps.config.KILIM_LOCAL_USERS = [];
  expect(await asked()).toEqual([403, 403, 403, 403]);
  world.deps.config.KILIM_LOCAL_USERS = ['alice'];
});

it.each([0, -2, 65536, 1.5])('is no port: %s', async (port) => {
  const { status, json } = await as('alice', 'POST', '/v3/systems', aSystem('ports', port));
  expect([status, json.message]).toEqual([400, expect.stringContaining('port')]);
});

it('an application that changes its owner keeps no right that the one before gave', async () => {
  await as('train301', 'POST', '/v3/apps', {
    id: 'given',
    version: '1',
    runtime: 'ZIP',
    containerImage: '/a.zip',
  });
  await as('train301', 'POST', '/v3/apps/perms/given/user/train301', { permissions: ['MODIFY'] });
  expect((await as('train301', 'POST', '/v3/apps/given/changeOwner/alice')).status).toBe(200);
  expect((await as('train301', 'PATCH', '/v3/apps/given/1', { description: 'x' })).status).toBe(403);
});
