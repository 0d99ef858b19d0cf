import { readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { routes } from '../../../api/routes/index.js';
import { aTutorial, aWorld, type World } from './a-world.js';

let world: World;
beforeAll(async () => {
  world = await aWorld();
  await aTutorial(world);
});
afterAll(() => world.close());

const json = { 'Content-Type': 'application/json' };
const job = { name: 'j', appId: 'img', appVersion: '0.0.1' };
const jobCount = async (): Promise<number> =>
  (await world.ask('GET', '/v3/jobs/list?computeTotal=true', { as: 'alice' })).json.metadata.totalCount;

describe('a bad body is refused with an envelope and changes nothing', () => {
  const args = (n: number) => ({
    ...job,
    parameterSet: { appArgs: Array.from({ length: n }, () => ({ arg: 'x' })) },
  });
  it.each<[string, number, unknown, Record<string, string>]>([
    ['broken JSON', 400, '{"name": ', json],
    ['an array', 400, '[]', json],
    ['a number', 400, '7', json],
    ['nothing', 400, '', json],
    ['another content type', 415, '<xml/>', { 'Content-Type': 'text/xml' }],
    ['an unknown encoding', 415, '{}', { ...json, 'Content-Encoding': 'zstd-9' }],
    ['bytes that are no gzip', 400, '{}', { ...json, 'Content-Encoding': 'gzip' }],
    ['10 MB', 413, `{"name":"${'x'.repeat(10_000_000)}"}`, json],
    ['100,000 arguments', 413, JSON.stringify(args(100_000)), json],
    ['20,000 arguments', 400, JSON.stringify(args(20_000)), json],
    [
      'deep nesting',
      400,
      JSON.stringify({ ...job }).replace('}', `,"notes":{"a":${'['.repeat(50_000)}${']'.repeat(50_000)}}}`),
      json,
    ],
    ['a NUL in a name', 400, JSON.stringify({ ...job, name: 'a\0b' }), json],
    [
      'a NUL in an argument',
      400,
      JSON.stringify({ ...job, parameterSet: { appArgs: [{ arg: 'a\0b' }] } }),
      json,
    ],
    ['a NUL in a tag', 400, JSON.stringify({ ...job, tags: ['a\0b'] }), json],
    ['..', 400, JSON.stringify({ ...job, execSystemExecDir: '/../../etc' }), json],
    ['an unknown member', 400, JSON.stringify({ ...job, colour: 'red' }), json],
    ['a huge number', 400, JSON.stringify({ ...job, memoryMB: 99_999_999_999 }), json],
    ['__proto__', 400, '{"name":"j","appId":"img","appVersion":"0.0.1","__proto__":{"x":1}}', json],
  ])('%s', async (_what, status, body, headers) => {
    const before = await jobCount();
    const said = await world.ask('POST', '/v3/jobs/submit', { as: 'alice', body, headers });
    expect([said.status, said.type, said.json.status, said.json.result]).toEqual([
      status,
      'application/json',
      'error',
      null,
    ]);
    expect(await jobCount()).toBe(before);
  });
});

it.each([
  ['http://vm.example.org', 400],
  ['vm.example.org:2222', 400],
  ['vm.example.org/', 400],
  ['al@vm.example.org', 400],
  ['vm_1.example.org', 201],
  ['10.0.0.7', 201],
  ['fe80::7', 201],
])('takes no host of a system with more than its name or address: %s', async (host, status) => {
  const id = `host-${host.replace(/\W/g, '-')}`;
  const body = {
    id,
    systemType: 'LINUX',
    host,
    defaultAuthnMethod: 'PASSWORD',
    rootDir: '/',
    canExec: false,
  };
  const said = await world.ask('POST', '/v3/systems', { as: 'alice', body });
  expect([said.status, said.json.message]).toEqual([status, expect.stringMatching(/host/)]);
});

it('names every fault at once: field, value and rule', async () => {
  const said = await world.ask('POST', '/v3/jobs/submit', {
    as: 'alice',
    body: { name: 'x'.repeat(65), appId: 7, memoryMB: 0 },
  });
  expect(said.status).toBe(400);
  for (const field of ['name:', 'appId: 7', 'appVersion:', 'memoryMB: 0'])
    expect(said.json.message).toContain(field);
});

it('never repeats a secret', async () => {
  const client = await world.ask('POST', '/v3/oauth2/clients', {
    as: 'alice',
    body: { client_key: 'hunter2' },
  });
  expect(client.json.message).toContain('client_key: must');
  expect(client.text).not.toContain('hunter2');
  const login = await world.ask('POST', '/v3/oauth2/tokens', {
    body: { username: 'alice', password: { my: 'hunter2' }, grant_type: 'password' },
  });
  expect(login.status).toBe(400);
  expect(login.text).not.toContain('hunter2');
  const broken = await world.ask('POST', '/v3/oauth2/tokens', {
    body: '{"password":"hunter2" nonsense',
    headers: json,
  });
  expect(broken.status).toBe(400);
  expect(broken.text).not.toContain('hunter2');
});

describe('a URL with a user name and a password is refused, and not repeated', () => {
  const url = (scheme: string) => `${scheme}://bob:hunter2@example.org/a.zip`;
  const webhook = { deliveryTargets: [{ deliveryMethod: 'WEBHOOK', deliveryAddress: url('https') }] };
  const anApp = (more: object) => ({
    id: 'login',
    version: '1',
    runtime: 'ZIP',
    containerImage: '/a.zip',
    ...more,
  });
  it.each<[string, string, object]>([
    [
      '/v3/jobs/submit',
      'fileInputs.sourceUrl',
      { ...job, fileInputs: [{ sourceUrl: url('http'), targetPath: 'a' }] },
    ],
    ['/v3/jobs/submit', 'fileInputs.sourceUrl', { ...job, fileInputs: [{ sourceUrl: url('tapis') }] }],
    [
      '/v3/jobs/submit',
      'fileInputs.sourceUrl',
      { ...job, fileInputs: [{ sourceUrl: 'http:///bob:hunter2@h/a' }] },
    ],
    [
      '/v3/jobs/submit',
      'fileInputArrays.sourceUrls',
      { ...job, fileInputArrays: [{ sourceUrls: [url('https')] }] },
    ],
    ['/v3/jobs/submit', 'subscriptions', { ...job, subscriptions: [webhook] }],
    ['/v3/apps', 'containerImage', anApp({ containerImage: url('https') })],
    ['/v3/apps', 'containerImage', anApp({ containerImage: url('tapis') })],
    ['/v3/apps', 'containerImage', anApp({ containerImage: url('docker'), runtime: 'SINGULARITY' })],
    ['/v3/apps', 'containerImage', anApp({ containerImage: url('docker'), runtime: 'DOCKER' })],
    [
      '/v3/apps',
      'sourceUrl',
      anApp({ jobAttributes: { fileInputs: [{ name: 'a', sourceUrl: url('http') }] } }),
    ],
    [
      '/v3/apps',
      'sourceUrls',
      anApp({ jobAttributes: { fileInputArrays: [{ name: 'a', sourceUrls: [url('http')] }] } }),
    ],
    ['/v3/apps', 'subscriptions', anApp({ jobAttributes: { subscriptions: [webhook] } })],
  ])('%s %s', async (path, field, body) => {
    const said = await world.ask('POST', path, { as: 'alice', body });
    expect([said.status, said.json.message]).toEqual([400, expect.stringContaining(field)]);
    expect(said.text).not.toMatch(/hunter2/);
  });
});

it.each([
  ['unknown application', { appId: 'nothing' }, 404],
  ['unknown version', { appVersion: '9' }, 404],
  ['unknown system', { execSystemId: 'nothing' }, 404],
  ['unknown archive', { archiveSystemId: 'nothing' }, 404],
  ['unknown profile', { parameterSet: { schedulerOptions: [{ arg: '--tapis-profile nothing' }] } }, 404],
  ['another owner', { owner: 'stranger' }, 400],
  ['another tenant', { tenant: 'other' }, 400],
])('%s', async (_what, change, status) => {
  const said = await world.ask('POST', '/v3/jobs/submit', { as: 'alice', body: { ...job, ...change } });
  expect([said.status, said.json.message]).toEqual([status, expect.any(String)]);
});

it('answers every route, unknown one and method without a token with the exact content type', async () => {
  for (const { method, path } of routes) {
    const at = path instanceof RegExp ? '/v3/files/ops/vm/a' : path.replace(/:[a-zA-Z]+/g, 'x');
    if (at === '/metrics') continue;
    const said = await world.ask(method.toUpperCase(), at);
    expect([at, said.type, said.status < 500]).toEqual([at, 'application/json', true]);
    expect(Object.keys(said.json)).toEqual([
      'status',
      'message',
      'version',
      'commit',
      'build',
      'metadata',
      'result',
    ]);
  }
  const cases: [string, string, number][] = [
    ['GET', '/', 404], ['GET', '/v3/nothing', 404], ['DELETE', '/v3/sites', 405], ['PATCH', '/v3/jobs/submit', 405],
    ['GET', '/v3/jobs/%', 400], ['GET', '/v3/jobs/%ff', 400], ['GET', '/v3/systems', 401],
  ]; // prettier-ignore
  for (const [method, path, status] of cases) {
    const said = await world.ask(method, path);
    expect([path, said.status, said.type, typeof said.json?.message]).toEqual([
      path,
      status,
      'application/json',
      'string',
    ]);
  }
});

it.each([
  'limit=x', 'limit=1&limit=2', 'skip=1.5', 'computeTotal=maybe', 'orderBy=nothing', 'orderBy=created(up)', 'listType=NONE', 'limit=99999999999999', 'limit=%00',
])('refuses the list parameter %s', async (query) => {
  expect((await world.ask('GET', `/v3/jobs/list?${query}`, { as: 'alice' })).status).toBe(400);
}); // prettier-ignore

it('lets no path out of rootDir', async () => {
  writeFileSync(join(world.data, '..', 'outside.txt'), 'outside');
  symlinkSync('../outside.txt', join(world.data, 'link'));
  symlinkSync('/', join(world.data, 'slash'));
  for (const path of [
    '../outside.txt',
    '..%2foutside.txt',
    '%2e%2e/outside.txt',
    'a/../../outside.txt',
    'link',
    'slash/etc/passwd',
    '%00',
    'a%00b',
    'a%0ab',
  ]) {
    for (const [method, what] of [
      ['GET', 'content'],
      ['GET', 'ops'],
      ['DELETE', 'ops'],
      ['GET', 'utils/linux'],
    ] as const) {
      const said = await world.ask(method, `/v3/files/${what}/vm/${path}`, { as: 'alice' });
      expect([path, method, what, said.status >= 400 && said.status < 500]).toEqual([
        path,
        method,
        what,
        true,
      ]);
    }
  }
  for (const newPath of ['../x', 'slash/tmp/x']) {
    const body = { operation: 'COPY', newPath };
    expect(
      (await world.ask('PUT', '/v3/files/ops/vm/kept', { as: 'alice', body })).status,
    ).toBeGreaterThanOrEqual(400);
  }
  const form = new FormData();
  form.set('file', new Blob(['x']));
  expect(
    (await world.ask('POST', '/v3/files/ops/vm/slash/tmp/kilim-escaped', { as: 'alice', body: form })).status,
  ).toBe(403);
  expect(readFileSync(join(world.data, '..', 'outside.txt'), 'utf8')).toBe('outside');
});

it('keeps shell metacharacters in names as names', async () => {
  const name = `a'b"$(touch owned);\`touch owned\` & c`;
  const path = encodeURIComponent(name);
  const form = new FormData();
  form.set('file', new Blob(['bytes']));
  expect((await world.ask('POST', `/v3/files/ops/vm/${path}`, { as: 'alice', body: form })).status).toBe(200);
  expect((await world.ask('GET', `/v3/files/content/vm/${path}`, { as: 'alice' })).text).toBe('bytes');
  const listed = await world.ask('GET', '/v3/files/ops/vm', { as: 'alice' });
  expect(listed.json.result.map((file: { name: string }) => file.name)).toContain(name);
  expect(listed.json.result.map((file: { name: string }) => file.name)).not.toContain('owned');
});

it('says 503 with Retry-After where the engine is away, and takes submissions and cancels all the same', async () => {
  world.isEngineUp = false;
  const submitted = await world.ask('POST', '/v3/jobs/submit', { as: 'alice', body: job });
  expect(submitted.status).toBe(200);
  const { uuid } = submitted.json.result;
  expect((await world.ask('POST', `/v3/jobs/${uuid}/cancel`, { as: 'alice' })).status).toBe(200);
  const paused = await world.ask('POST', `/v3/jobs/${uuid}/pause`, {
    as: 'alice',
    body: 'null',
    headers: json,
  });
  expect([paused.status, paused.headers.get('retry-after')]).toEqual([503, '5']);
  expect((await world.ask('GET', '/v3/ready')).status).toBe(503);
  world.isEngineUp = true;
});
