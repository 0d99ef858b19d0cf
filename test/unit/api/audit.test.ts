import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';

import type { Route } from '../../../api/route.js';
import { routes } from '../../../api/routes/index.js';
import { aTutorial, aWorld, type World } from './a-world.js';

let world: World;
beforeAll(async () => {
  world = await aWorld({ KILIM_SKIP_CREDENTIAL_CHECK: 'true' });
  await aTutorial(world);
  for (const user of ['alice', 'admin', 'stranger']) await world.token(user);
});
afterAll(() => world.close());
beforeEach(() => void world.audit.splice(0));

const nameOf = ({ method, path }: Route): string => `${method.toUpperCase()} ${String(path)}`;
/** A path that the route serves. */
const pathOf = ({ path }: Route): string =>
  path instanceof RegExp
    ? `${/^\/\^((?:\\\/|[^\\(])+)/.exec(String(path))?.[1]?.replaceAll('\\', '') ?? ''}vm/x`
    : path.replace(':perm', 'READ').replace(/:[a-z]+/gi, 'nothing');

const changing = routes.filter(({ method, reads }) => method !== 'get' && !reads);

it('leaves only the routes that change nothing without an audit line', () => {
  const reading = routes.filter(({ reads }) => reads);
  expect(reading.map(nameOf).toSorted()).toEqual([
    'POST /v3/apps/search',
    'POST /v3/jobs/search',
    'POST /v3/security/user/isAdmin',
    'POST /v3/systems/search',
  ]);
  expect(changing.length).toBeGreaterThan(30);
});

it.each(changing.map((route) => [nameOf(route), route] as const))('%s has one audit line, whether the request is refused or not', async (_name, route) => {
  const path = pathOf(route);
  const refused = await world.ask(route.method.toUpperCase(), path, { headers: { 'X-Request-Id': 'r1' } });
  const isOpen = route.open ?? false;
  expect(refused.status).toBe(isOpen ? 400 : 401);
  const about = { operation: world.audit[0]?.['operation'], resource: path, from: '127.0.0.1', tenant: 'dev', requestId: 'r1' }; // prettier-ignore
  expect(world.audit).toEqual([expect.objectContaining({ ...about, user: null, outcome: isOpen ? 'failed' : 'refused', at: expect.stringMatching(/^2.*Z$/) as string })]); // prettier-ignore
  expect(about.operation).toMatch(new RegExp(`^${route.method.toUpperCase()} /v3/[\\w/:]+$`));

  world.audit.splice(0);
  await world.ask(route.method.toUpperCase(), path, { as: 'stranger', body: {} });
  expect(world.audit).toHaveLength(1);
  if (!isOpen) expect(world.audit[0]).toMatchObject({ user: 'stranger', resource: expect.stringContaining(path) as string });
}); // prettier-ignore

it('names user, action, address and outcome of changes of systems, credentials and shares, and no secret', async () => {
  const ask = (method: string, path: string, body?: unknown) => world.ask(method, path, { as: 'alice', ...(body === undefined ? {} : { body }) }); // prettier-ignore
  const made = (await ask('POST', '/v3/oauth2/clients', { client_id: 'notebook', client_key: 'a-secret-of-mine' })).json.result; // prettier-ignore
  await ask('PATCH', '/v3/systems/vm', { description: 'x' });
  await ask('POST', '/v3/systems/vm/disable');
  await ask('POST', '/v3/systems/vm/enable');
  await ask('POST', '/v3/systems/vm/hostKey');
  await ask('POST', '/v3/systems/credential/vm/user/alice', { password: 'a-secret-of-mine' });
  await ask('POST', '/v3/systems/perms/vm/user/bob', { permissions: ['READ'] });
  await ask('POST', '/v3/files/permissions/vm/drop', { username: 'bob', permission: 'MODIFY' });
  await ask('POST', '/v3/systems', { id: 'broken' });
  await ask('GET', '/v3/systems');
  const said = world.audit.map(({ user, outcome, code, resource, said: words }) => [user, outcome, code ?? words, resource]); // prettier-ignore
  expect(said).toEqual([
    ['alice', 'ok', 'Client created successfully.', '/v3/oauth2/clients/notebook'],
    ['alice', 'ok', 'SYSAPI_UPDATED System updated: vm', '/v3/systems/vm'],
    ['alice', 'ok', 'SYSAPI_UPDATED disable: vm', '/v3/systems/vm/disable'],
    ['alice', 'ok', 'SYSAPI_UPDATED enable: vm', '/v3/systems/vm/enable'],
    ['alice', 'ok', expect.stringContaining('host key of vm'), '/v3/systems/vm/hostKey'],
    ['alice', 'ok', expect.stringContaining('Credential of alice on vm'), '/v3/systems/credential/vm/user/alice'],
    ['alice', 'ok', 'SYSAPI_PERMS_GRANTED READ on vm for bob', '/v3/systems/perms/vm/user/bob'],
    ['alice', 'ok', 'FAPI_PERM_GRANTED MODIFY on drop for bob', '/v3/files/permissions/vm/drop'],
    ['alice', 'failed', 'INVALID_REQUEST', '/v3/systems'],
  ]); // prettier-ignore
  const text = JSON.stringify(world.audit);
  for (const secret of ['a-secret-of-mine', await world.token('alice'), made.client_key as string])
    expect(text).not.toContain(secret);
});

it('has a line for a request to change something whose body cannot be read', async () => {
  const body = JSON.stringify({ id: 'x'.repeat(2_000_000) });
  const { status } = await world.ask('POST', '/v3/systems', { as: 'alice', body });
  expect(status).toBe(413);
  expect(world.audit.map(({ user, operation, code }) => [user, operation, code])).toEqual([
    ['alice', 'POST /v3/systems', 'BODY_TOO_LARGE'],
  ]);
});

it('has a line for each log-in, with the user, and for each refused request that only reads', async () => {
  const login = (username: string, password: string) =>
    world.ask('POST', '/v3/oauth2/tokens', { body: { username, password, grant_type: 'password' } });
  const token = (await login('alice', 'alice')).json.result.access_token.access_token as string;
  await login('alice', 'no-such-word');
  await login('nobody-here', 'no-such-word');
  await world.deps.store.users.disable('dev', 'alice');
  await login('alice', 'alice');
  await world.ask('GET', '/v3/systems/vm', { headers: { 'X-Tapis-Token': token } });
  await world.ask('GET', '/v3/systems/vm?token=a-query-may-hold-a-secret', { as: 'stranger' });
  await world.ask('GET', '/v3/systems/vm', { headers: { 'X-Tapis-Token': `${token}x` } });
  const revoked = { body: { token: await world.token('admin') } };
  await world.ask('POST', '/v3/oauth2/tokens/revoke', revoked);
  const said = world.audit.map(({ operation, user, outcome, status }) => [operation, user, outcome, status]);
  expect(said).toEqual([
    ['POST /v3/oauth2/tokens', 'alice', 'ok', undefined],
    ['POST /v3/oauth2/tokens', 'alice', 'refused', 400],
    ['POST /v3/oauth2/tokens', 'nobody-here', 'refused', 400],
    ['POST /v3/oauth2/tokens', 'alice', 'refused', 401],
    ['GET /v3/systems/:id', 'alice', 'refused', 401],
    ['GET /v3/systems/:id', 'stranger', 'refused', 403],
    ['GET /v3/systems/:id', null, 'refused', 401],
    ['POST /v3/oauth2/tokens/revoke', 'admin', 'ok', undefined],
  ]);
  const text = JSON.stringify(world.audit);
  for (const secret of ['no-such-word', 'a-query-may', token, revoked.body.token])
    expect(text).not.toContain(secret);
});
