import { afterAll, beforeAll, expect, it, vi } from 'vitest';

import { createFairLine } from '../../../api/fair-line.js';
import { networkOf } from '../../../api/identity/guesses.js';
import { hashPassword, isPassword } from '../../../api/identity/passwords.js';
import { aWorld, type World } from './a-world.js';

vi.setConfig({ testTimeout: 90_000 }); // each log-in takes the time of a password hash

let world: World;
beforeAll(async () => {
  world = await aWorld({ TRUST_PROXY: 'true' });
});
afterAll(() => world.close());

const login = (from: string, username: string, password: string, headers: Record<string, string> = {}) =>
  world.ask('POST', '/v3/oauth2/tokens', {
    body: { username, password, grant_type: 'password' },
    headers: { 'X-Forwarded-For': from, ...headers },
  });
const took = async (work: () => Promise<unknown>): Promise<number> => {
  const from = performance.now();
  await work();
  return performance.now() - from;
};

it('never refuses the right password of another user behind the address, while it guesses and after', async () => {
  const from = '203.0.113.10';
  const names = Array.from({ length: 130 }, (_, i) => `nobody-${i}`);
  let answered = 0;
  const guesses = Promise.all(
    [...names, ...Array<string>(20).fill('admin')].map(async (name) => {
      const { status } = await login(from, name, 'wrong');
      answered++;
      return status;
    }),
  );
  const right = await login(from, 'alice', 'alice');
  expect(right.status).toBe(200);
    // more than a dozen of the 150 guesses wait for hashing behind it
    expect(answered).toBeLessThan(140);
  const said = await guesses;
  expect(said.filter((status) => status === 429)).toHaveLength(10); // only those for the name of the administrator
  expect(said.filter((status) => status === 400)).toHaveLength(140);

  expect((await login(from, 'alice', 'alice')).status).toBe(200);
  expect((await login(from, 'admin', 'admin')).status).toBe(429);
  expect((await login('203.0.113.11', 'admin', 'admin')).status).toBe(200);
}); // prettier-ignore

it('answers failures at an address late, for existing and unknown names, but never a right password', async () => {
  const from = '203.0.113.20';
  await Promise.all(Array.from({ length: 120 }, (_, i) => login(from, `nobody-${i}`, 'wrong')));
  for (const name of ['nobody-999', 'train301'])
    expect(await took(() => login(from, name, 'wrong'))).toBeGreaterThan(990);
  const right = [];
  for (let i = 0; i < 3; i++) right.push(await took(() => login(from, 'train301', 'train301')));
  expect(Math.min(...right)).toBeLessThan(990);
});

it('says when a pair of user and address may try again', async () => {
  const from = '203.0.113.30';
  for (let i = 0; i < 10; i++) expect((await login(from, 'stranger', 'wrong')).status).toBe(400);
  const refused = await login(from, 'stranger', 'stranger');
  expect(refused.status).toBe(429);
  const seconds = Number(refused.headers.get('retry-after'));
  expect(seconds).toBeGreaterThan(800);
  expect(seconds).toBeLessThanOrEqual(900);
  expect(refused.json.message).toContain(`log-ins of the user stranger from this address failed; it may try again in ${seconds} seconds`); // prettier-ignore
});

it('treats unknown names like existing ones', async () => {
  const from = '203.0.113.40';
  for (let i = 0; i < 10; i++) expect((await login(from, 'no-user', 'wrong')).status).toBe(400);
  expect((await login(from, 'no-user', 'wrong')).status).toBe(429);

  const times = { alice: [] as number[], 'not-alice': [] as number[] };
  for (let i = 0; i < 5; i++)
    for (const name of ['alice', 'not-alice'] as const)
      times[name].push(await took(() => login('203.0.113.41', name, 'wrong')));
  const [known = 0, unknown = 0] = Object.values(times).map((all) => Math.min(...all));
  expect(unknown / known).toBeGreaterThan(0.33);
  expect(unknown / known).toBeLessThan(3);
});

it('counts guesses of a client’s key by client and address', async () => {
  const basic = (id: string, key: string) => ({ Authorization: `Basic ${Buffer.from(`${id}:${key}`).toString('base64')}` }); // prettier-ignore
  for (const client_id of ['portal', 'notebook'])
    await world.ask('POST', '/v3/oauth2/clients', { as: 'alice', body: { client_id, client_key: 'the right key' } }); // prettier-ignore
  const from = '203.0.113.50';
  const guess = (key: string, id = 'portal', at = from) => login(at, 'alice', 'alice', basic(id, key));
  for (let i = 0; i < 10; i++) expect((await guess(`wrong ${i}`)).status).toBe(400);
  const refused = await guess('the right key');
  expect([refused.status, Number(refused.headers.get('retry-after'))]).toEqual([429, expect.any(Number)]);
  expect((await guess('the right key', 'notebook')).status).toBe(200);
  expect((await guess('the right key', 'portal', '203.0.113.51')).status).toBe(200);
  expect((await login(from, 'alice', 'alice')).status).toBe(200);
});

it('answers wrong refresh tokens late, and refuses no right one', async () => {
  const client = { client_id: 'shared', client_key: 'the right key' };
  await world.ask('POST', '/v3/oauth2/clients', { as: 'alice', body: client });
  const headers = { 'X-Forwarded-For': '203.0.113.60' };
  const refresh = (refresh_token: string) =>
    world.ask('POST', '/v3/oauth2/tokens', { body: { grant_type: 'refresh_token', refresh_token, ...client }, headers }); // prettier-ignore
  const { result } =
    (await world.ask('POST', '/v3/oauth2/tokens', { body: { username: 'alice', password: 'alice', grant_type: 'password', ...client }, headers })) // prettier-ignore
    .json;
  await Promise.all(Array.from({ length: 120 }, () => refresh('wrong')));
  expect(await took(() => refresh('wrong'))).toBeGreaterThan(990);
  expect((await refresh(result.refresh_token.refresh_token)).status).toBe(200);
});

it('hashes two passwords at once at most; addresses take turns, and known names come first', async () => {
  const line = createFairLine(2);
  const order: string[] = [];
  let running = 0;
  let most = 0;
  let open: () => void = () => undefined;
  const gate = new Promise<void>((resolve) => (open = resolve));
  const work = (name: string) => async () => {
    most = Math.max(most, ++running);
    order.push(name);
    await gate;
    running--;
  };
  const all = ['a1', 'a2', 'a3', 'a4'].map((name) => line.run('a', false, work(name)));
  all.push(
    line.run('b', false, work('b1')),
    line.run('b', false, work('b2')),
    line.run('a', true, work('a!')),
  );
  expect([line.waiting('a'), line.waiting('b'), line.waiting('c')]).toEqual([2, 2, 0]);
  open();
  await Promise.all(all);
  expect([order, most]).toEqual([['a1', 'a2', 'a!', 'b1', 'a3', 'b2', 'a4'], 2]);

  await expect(line.run('a', false, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
  expect(await line.run('a', false, () => Promise.resolve(7))).toBe(7);
});

it('hashes a password of another address, and one of a known name, before the guesses that wait', async () => {
  const hash = await hashPassword('right');
  const order: string[] = [];
  const trial = (name: string, known: boolean, from: string) =>
    isPassword('right', known ? hash : null, from).then((isRight) => void order.push(`${name} ${isRight}`));
  const guesses = Array.from({ length: 14 }, () => trial('guess', false, 'one'));
  await Promise.all([...guesses, trial('known', true, 'one'), trial('elsewhere', true, 'another')]);
  expect(order).toHaveLength(16);
  // two are under way, and two more have had their turn at most
  expect(order.indexOf('known true')).toBeLessThan(6);
  expect(order.indexOf('elsewhere true')).toBeLessThan(6);
});

it('does not hash more than a few guesses at unknown names for an address', async () => {
  const before = process.cpuUsage();
  const all = await Promise.all(Array.from({ length: 200 }, () => isPassword('x', null, 'crowd')));
  const { user, system } = process.cpuUsage(before);
  expect(new Set(all)).toEqual(new Set([false]));
  expect((user + system) / 1000).toBeLessThan(4_000);
});

it.each([
  ['203.0.113.1', '203.0.113.1'],
  ['::ffff:203.0.113.1', '203.0.113.1'],
  ['2001:db8:0:7:1:2:3:4', '2001:db8:0:7'],
  ['2001:DB8:0:7::1', '2001:db8:0:7'],
  ['2001:db8::1', '2001:db8:0:0'],
  ['::1', '0:0:0:0'],
  ['fe80::1%eth0', 'fe80:0:0:0'],
  ['64:ff9b::203.0.113.1', '64:ff9b:0:0'],
  ['nonsense', 'nonsense'],
])('%s is counted as %s', (address, network) => expect(networkOf(address)).toBe(network));
