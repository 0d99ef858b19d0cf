import { createServer, type AddressInfo, type Server } from 'node:net';

import { afterAll, beforeAll, expect, it, vi } from 'vitest';

import { watchKey } from '../../../domain/jobs/remote.js';
import { hostLookups } from '../../../store/host-lookups.js';
import { aPlanned } from '../store/a-store.js';
import { aWorld, type Said, type World } from './a-world.js';

/* Credentials and host keys that are stored for a system are not used at another address when the system is moved. */

let world: World;
const hosts: { port: number; connections: number; server: Server }[] = [];
beforeAll(async () => {
  world = await aWorld();
  for (let i = 0; i < 2; i++) {
    const host = {
      port: 0,
      connections: 0,
      server: createServer((socket) => (host.connections++, socket.destroy())),
    };
    await new Promise<void>((resolve) => host.server.listen(0, '127.0.0.1', resolve));
    host.port = (host.server.address() as AddressInfo).port;
    hosts.push(host);
  }
});
afterAll(async () => {
  hosts.forEach(({ server }) => server.close());
  await world.close();
});

const port = (i: number): number => hosts[i]?.port ?? 0;
const connections = (i: number): number => hosts[i]?.connections ?? 0;
const ask = (as: string, method: string, path: string, body?: unknown): Promise<Said> =>
  world.ask(method, path, { as, ...(body === undefined ? {} : { body }) });

async function register(id: string, effectiveUserId: string, more: object = {}): Promise<void> {
  const body = { id, systemType: 'LINUX', host: '127.0.0.1', port: port(0), defaultAuthnMethod: 'PASSWORD', effectiveUserId, rootDir: '/', canExec: false, ...more }; // prettier-ignore
  expect((await ask('alice', 'POST', '/v3/systems?skipCredentialCheck=true', body)).status).toBe(201);
}
const give = (as: string, id: string, user: string, body: object = { password: 'secret' }): Promise<Said> =>
  ask(as, 'POST', `/v3/systems/credential/${id}/user/${user}?skipCredentialCheck=true`, body);
const list = (as: string, id: string): Promise<Said> => ask(as, 'GET', `/v3/files/ops/${id}/tmp`);

const SENTENCE = (id: string, user: string): RegExp =>
  new RegExp(
    `was given for .*@127.0.0.1:${port(0)}, and is not used for .*@127.0.0.1:${port(1)}.*POST /v3/systems/credential/${id}/user/${user}`,
  );

it.each<[string, string, string, () => Promise<unknown>]>([
  ['static', 'svc', 'svc', () => give('alice', 'static', 'svc')],
  ['static-created', 'svc', 'svc', () => Promise.resolve()],
  [
    'dynamic',
    '${apiUserId}',
    'alice',
    () => give('alice', 'dynamic', 'alice', { loginUser: 'al', password: 'secret' }),
  ],
])(
  'a credential is used where it was given for, and not where its system was moved: %s',
  async (id, effectiveUserId, user, given) => {
    const more = id === 'static-created' ? { authnCredential: { password: 'secret' } } : {};
    await register(id, effectiveUserId, more);
    await given();
    const tried = connections(0);
    // a connection that failed a moment ago is not tried again at once
    await vi.waitFor(async () => {
      expect((await list('alice', id)).status).toBe(503);
      expect(connections(0)).toBeGreaterThan(tried);
    }, 5_000);
    const has = async (): Promise<string[]> => (await ask('alice', 'GET', '/v3/systems?hasCredentials=true')).json.result.map((one: { id: string }) => one.id); // prettier-ignore
    expect(await has()).toContain(id);

    const moved = await ask('alice', 'PATCH', `/v3/systems/${id}`, { port: port(1) });
    expect(moved.json.message).toContain('have to be given again');
    const before = connections(1);
    const refused = await list('alice', id);
    expect([refused.status, refused.json.message]).toEqual([400, expect.stringMatching(SENTENCE(id, user))]);
    const checked = await ask('alice', 'POST', `/v3/systems/credential/${id}/user/${user}/check`);
    expect([checked.status, checked.json.message]).toEqual([401, expect.stringMatching(SENTENCE(id, user))]);
    expect(connections(1)).toBe(before);
    expect(await has()).not.toContain(id);

    expect((await give('alice', id, user, { password: 'again' })).status).toBe(201);
    await vi.waitFor(async () => {
      expect((await list('alice', id)).status).toBe(503);
      expect(connections(1)).toBeGreaterThan(before); // the credential was tried there
    }, 5_000);
    expect(await has()).toContain(id);
  },
);

it('a credential is not used for another login of its user', async () => {
  await register('mapped', '${apiUserId}');
  await give('alice', 'mapped', 'alice', { loginUser: 'new', password: 'secret' });
  const lookups = hostLookups(world.deps.store);
  const at = { tenant: 'dev', systemId: 'mapped', host: '127.0.0.1', port: port(0), asUser: 'alice' };
  expect(await lookups.findCredential({ ...at, loginUser: 'new' })).toMatchObject({ password: 'secret' });
  // a job that was launched before the change runs as `old`
  await expect(lookups.findCredential({ ...at, loginUser: 'old' })).rejects.toMatchObject({
    code: 'HOST_LOGIN_REFUSED',
    detail: { systemId: 'mapped' },
  });
});

it('only the user of a credential or an administrator may have it tested, not the owner of the system', async () => {
  await register('tried', '${apiUserId}');
  await ask('alice', 'POST', '/v3/systems/perms/tried/user/train301', { permissions: ['READ'] });
  await give('train301', 'tried', 'train301');
  const check = async (as: string): Promise<number> => (await ask(as, 'POST', '/v3/systems/credential/tried/user/train301/check')).status; // prettier-ignore
  const before = connections(0);
  expect([await check('alice'), await check('stranger')]).toEqual([403, 403]);
  expect(connections(0)).toBe(before);
  expect([await check('train301'), await check('admin')]).toEqual([401, 401]); // the host hangs up
});

it('accepts another host for live jobs: each user for their own jobs, the owner for jobs that use the credential of the system', async () => {
  const { store } = world.deps;
  await register('hosting', '${apiUserId}');
  for (const user of ['train301', 'stranger'])
    await ask('alice', 'POST', `/v3/systems/perms/hosting/user/${user}`, { permissions: ['READ'] });
  const exec = { ...aPlanned().plan.exec, systemId: 'hosting' };
  const add = async (owner: string): Promise<string> => {
    const { uuid } = await store.jobs.add(aPlanned({ owner, exec: { ...exec, asUser: owner } }), '{}');
    await store.jobs.bindToHost(uuid, 'SHA256:old');
    return uuid;
  };
  const [alices, others] = [await add('alice'), await add('train301')];
  await store.systems.pinFirstHostKey('dev', 'hosting', { host: '127.0.0.1', port: port(0) }, 'SHA256:old');
  const accept = (as: string): Promise<Said> => ask(as, 'POST', '/v3/systems/hosting/hostKey');
  const bound = async (): Promise<(string | null)[]> => [
    (await store.systems.find('dev', 'hosting'))?.hostKey ?? null,
    (await store.jobs.get(alices)).launchedOn,
    (await store.jobs.get(others)).launchedOn,
  ];

  expect((await accept('stranger')).status).toBe(403);
  expect(await bound()).toEqual(['SHA256:old', 'SHA256:old', 'SHA256:old']);
  expect((await accept('alice')).status).toBe(200);
  expect(await bound()).toEqual([null, null, 'SHA256:old']); // the other user's job is not the owner's to give away
  await ask('alice', 'PATCH', '/v3/systems/hosting', { effectiveUserId: exec.loginUser });
  expect((await accept('alice')).status).toBe(200);
  expect(await bound()).toEqual([null, null, 'SHA256:old']); // nor by making the login static
  expect((await accept('train301')).status).toBe(200);
  expect(await bound()).toEqual([null, null, null]);
  expect(watchKey('dev', { ...exec, asUser: 'alice' })).not.toBe(
    watchKey('dev', { ...exec, isStaticLogin: true }),
  );
});
