import { createServer, type AddressInfo, type Server } from 'node:net';

import { afterAll, beforeAll, expect, it } from 'vitest';

import { aWorld, type World } from './a-world.js';

let world: World;
let noSshd: Server;
beforeAll(async () => {
  world = await aWorld({ KILIM_LOCAL_USERS: 'alice' });
  noSshd = createServer((socket) => socket.on('error', () => undefined).end('220 mail.example.org\r\n'));
  await new Promise<void>((listening) => noSshd.listen(0, '127.0.0.1', listening));
});
afterAll(async () => {
  noSshd.close();
  await world.close();
});

const as = (user: string, method: string, path: string, body?: unknown) => world.ask(method, path, { as: user, ...(body === undefined ? {} : { body }) }); // prettier-ignore
let count = 0;
const aSystem = (port: number, more = {}) => ({
  id: `s${++count}`, systemType: 'LINUX', host: '127.0.0.1', port, defaultAuthnMethod: 'PASSWORD', effectiveUserId: 'bob', rootDir: '/', canExec: false,
  authnCredential: { password: 'guess' }, ...more,
}); // prettier-ignore

it('a closed port and a port of another service lead to the same message', async () => {
  const said = async (port: number) => {
    const checked = await as('alice', 'POST', '/v3/systems', aSystem(port));
    const body = aSystem(port);
    await as('alice', 'POST', '/v3/systems?skipCredentialCheck=true', body);
    const listed = await as('alice', 'GET', `/v3/files/ops/${body.id}/`);
    return [checked, listed].map(({ status, json }) => [status, json.message.replace(`:${port} `, ':PORT ')]);
  };
  const closed = await said(1);
  expect(closed).toEqual([[401, expect.stringContaining('no SSH server answers')], [503, expect.stringContaining('no SSH server answers')]]); // prettier-ignore
  expect(await said((noSshd.address() as AddressInfo).port)).toEqual(closed);
});

it('a user who tries too often has to wait, and others need not', async () => {
  const tried: number[] = [];
  let last;
  for (let i = 0; i < 22; i++) {
    last = await as('train301', 'POST', '/v3/systems', aSystem(1));
    tried.push(last.status);
  }
  expect(new Set(tried.slice(0, 20))).toEqual(new Set([401]));
  expect(last?.status).toBe(429);
  expect(Number(last?.headers.get('retry-after'))).toBeGreaterThan(60);
  await as('train301', 'POST', '/v3/systems?skipCredentialCheck=true', { ...aSystem(1, { id: 'more' }), authnCredential: null }); // prettier-ignore
  for (const [method, path, body] of [
    ['GET', '/v3/files/ops/more/', undefined],
    ['POST', '/v3/systems/credential/more/user/bob', { password: 'x' }],
    ['POST', '/v3/systems/credential/more/user/bob/check', undefined],
  ] as const)
    expect([path, (await as('train301', method, path, body)).status]).toEqual([path, 429]);
  expect((await as('train301', 'GET', '/v3/systems/more')).status).toBe(200);
  expect((await as('stranger', 'POST', '/v3/systems', aSystem(1))).status).toBe(401);
});

it('credentials that are stored without a test are counted as well', async () => {
  await as('stranger', 'POST', '/v3/systems', { ...aSystem(22, { id: 'other' }), authnCredential: null });
  const path = '/v3/systems/credential/other/user/bob?skipCredentialCheck=true';
  const statuses = new Set<number>();
  for (let i = 0; i < 62; i++)
    statuses.add((await as('stranger', 'POST', path, { password: `guess${i}` })).status);
  expect(statuses).toEqual(new Set([201, 429]));
});

it('a host that the operator did not name is refused when a system names it', async () => {
  world.deps.config.KILIM_ALLOWED_HOSTS = ['*.example.org', '10.0.0.0/8'];
  const { status, json } = await as('alice', 'POST', '/v3/systems', {
    ...aSystem(22),
    authnCredential: null,
  });
  expect([status, json.message]).toEqual([400, expect.stringMatching(/host: .*KILIM_ALLOWED_HOSTS/)]);
  const listed = { ...aSystem(22, { host: '10.1.2.3' }), authnCredential: null };
  expect((await as('alice', 'POST', '/v3/systems', listed)).status).toBe(201);
  world.deps.config.KILIM_ALLOWED_HOSTS = undefined;
});
