import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';

import { aTutorial, aWorld, type World } from './a-world.js';

let world: World;
beforeAll(async () => {
  world = await aWorld();
  await aTutorial(world);
});
afterAll(() => world.close());

it('tells clients who construct themselves where they are', async () => {
  for (const headers of [{}, { 'X-Tapis-Token': 'nonsense' }] as Record<string, string>[]) {
    const sites = await world.ask('GET', '/v3/sites', { headers });
    const tenants = await world.ask('GET', '/v3/tenants', { headers });
    expect(sites.json.result).toMatchObject([{ site_id: 'local', primary: true }]);
    expect(tenants.json.result).toMatchObject([{ tenant_id: 'dev', base_url: world.url, site_id: 'local' }]);
    expect(tenants.json.result[0].public_key).toMatch(/^-----BEGIN PUBLIC KEY-----\n/);
  }
});

it('logs in without a refresh token, and with one for a client', async () => {
  const said = await world.ask('POST', '/v3/oauth2/tokens', {
    body: { username: 'alice', password: 'alice', grant_type: 'password' },
  });
  expect(said.status).toBe(200);
  expect(said.json.result).toMatchObject({
    access_token: {
      expires_in: 14400,
      jti: expect.any(String),
      expires_at: expect.stringMatching(/\+00:00$/),
    },
  });
  expect(said.json.result).not.toHaveProperty('refresh_token');
  const form = await world.ask('POST', '/v3/oauth2/tokens', {
    body: 'grant_type=password&username=alice&password=alice',
    headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
  });
  expect(form.status).toBe(200);
});

it('submits as the tutorial does: arguments without names, a legacy meta', async () => {
  const said = await world.ask('POST', '/v3/jobs/submit', {
    as: 'alice',
    body: {
      name: 'img-classify-job-vm', description: 'Test', appId: 'img', appVersion: '0.0.1', execSystemId: 'vm',
      parameterSet: { appArgs: [{ arg: '--image_file', meta: { name: 'arg1', required: true } }, { arg: "'x.png'", meta: { name: 'arg2', required: true } }] },
    },
  }); // prettier-ignore
  expect(said.status).toBe(200);
  const job = said.json.result;
  expect(job.uuid).toMatch(/-007$/);
  expect(job.status).toBe('PENDING');
  expect(JSON.parse(job.parameterSet).appArgs).toMatchObject([{ arg: '--image_file' }, { arg: "'x.png'" }]);
  expect(world.engineCalls).toContain(`start ${job.uuid}`);

  const list = await world.ask('GET', '/v3/jobs/list?computeTotal=True&orderBy=created(DESC)', {
    as: 'alice',
  });
  expect(list.json.result[0]).toMatchObject({ uuid: job.uuid, status: 'PENDING' });
  expect(list.json.metadata).toMatchObject({ recordCount: 1, totalCount: 1, recordLimit: 100 });
  const status = await world.ask('GET', `/v3/jobs/${job.uuid}/status`, { as: 'alice' });
  expect(status.json.result).toEqual({ status: 'PENDING', condition: null });
  const full = await world.ask('GET', `/v3/jobs/${job.uuid}`, { as: 'alice' });
  expect(full.json.result).toMatchObject({
    uuid: job.uuid,
    owner: 'alice',
    execSystemId: 'vm',
    memoryMB: 100,
  });
  const history = await world.ask('GET', `/v3/jobs/${job.uuid}/history`, { as: 'alice' });
  expect(history.json.result[0]).toMatchObject({ event: 'JOB_NEW_STATUS', eventDetail: 'PENDING' });
  expect((await world.ask('GET', `/v3/jobs/${job.uuid}`, { as: 'train301' })).status).toBe(401);
  expect((await world.ask('GET', '/v3/jobs/00000000-0000-4000-8000-000000000000-007', { as: 'alice' })).json).toMatchObject({
    status: 'error', result: { name: '00000000-0000-4000-8000-000000000000-007' },
  }); // prettier-ignore
});

it('shares one file with a grant on the system and one on the path, and nothing else', async () => {
  writeFileSync(join(world.data, 'tapisjob.out'), 'five scores\n');
  writeFileSync(join(world.data, 'secret.txt'), 'no\n');
  const read = (path: string, as: string) => world.ask('GET', `/v3/files/content/vm/${path}`, { as });
  expect((await world.ask('GET', '/v3/systems/vm', { as: 'train301' })).status).toBe(403);

  const system = await world.ask('POST', '/v3/systems/perms/vm/user/train301', {
    as: 'alice',
    body: { permissions: ['READ'] },
  });
  expect([system.status, system.json.result]).toEqual([201, null]);
  expect((await read('tapisjob.out', 'train301')).status).toBe(403);
  const path = await world.ask('POST', '/v3/files/permissions/vm/tapisjob.out', {
    as: 'alice',
    body: { username: 'train301', permission: 'READ' },
  });
  expect([path.status, path.json.result]).toEqual([
    200,
    { tenantId: 'dev', username: 'train301', systemId: 'vm', path: 'tapisjob.out', permission: 'READ' },
  ]);

  expect((await world.ask('GET', '/v3/systems/vm', { as: 'train301' })).json.result).toMatchObject({
    id: 'vm',
    owner: 'alice',
  });
  const got = await read('tapisjob.out', 'train301');
  expect([got.status, got.text, got.type]).toEqual([200, 'five scores\n', 'application/octet-stream']);
  expect((await read('secret.txt', 'train301')).status).toBe(403);
  expect((await read('..%2fsecret.txt', 'train301')).status).toBe(403);
  expect((await world.ask('GET', '/v3/files/ops/vm/', { as: 'train301' })).status).toBe(403);
  expect((await world.ask('DELETE', '/v3/files/ops/vm/tapisjob.out', { as: 'train301' })).status).toBe(403);
  expect(
    (await world.ask('GET', '/v3/files/ops/vm/tapisjob.out', { as: 'train301' })).json.result,
  ).toMatchObject([{ name: 'tapisjob.out', size: 12 }]);
  expect((await read('tapisjob.out', 'stranger')).status).toBe(403);
  expect((await read('tapisjob.out', 'admin')).status).toBe(200);
});
