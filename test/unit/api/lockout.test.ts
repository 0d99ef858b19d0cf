import { rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { exportPKCS8, exportSPKI, generateKeyPair, SignJWT, type GenerateKeyPairResult } from 'jose'; // prettier-ignore
import { afterAll, beforeAll, expect, it, vi } from 'vitest';

import { hashPassword } from '../../../api/identity/passwords.js';
import { rotateSigningKey } from '../../../api/identity/signing-keys.js';
import { applySeed } from '../../../api/seed.js';
import { aTutorial, aWorld, type World } from './a-world.js';

vi.setConfig({ testTimeout: 60_000 }); // each log-in takes the time of a password hash

let world: World;
let gateway: GenerateKeyPairResult;
const issuers = join(tmpdir(), `kilim-issuers-lockout-${process.pid}.json`);
const seconds = (): number => Math.floor(Date.now() / 1000);

beforeAll(async () => {
  gateway = await generateKeyPair('RS256');
  writeFileSync(issuers, JSON.stringify([{ issuer: 'https://idp.example.org', publicKey: await exportSPKI(gateway.publicKey), usernameClaim: 'name' }])); // prettier-ignore
  world = await aWorld({ KILIM_TRUSTED_ISSUERS: issuers });
});
afterAll(async () => {
  await world.close();
  rmSync(issuers, { force: true });
});

/** The status of a request with a token, and the sentence where it is refused. */
async function withToken(token: string): Promise<[number, string]> {
  const said = await world.ask('GET', '/v3/systems', { headers: { 'X-Tapis-Token': token } });
  return [said.status, said.status === 200 ? '' : (said.json.message as string)];
}
const isGood = async (token: string): Promise<boolean> => (await withToken(token))[0] === 200;
const login = (username: string, password = username, headers: Record<string, string> = {}) =>
  world.ask('POST', '/v3/oauth2/tokens', { body: { username, password, grant_type: 'password' }, headers });
const tokenOf = async (username: string): Promise<string> =>
  (await login(username)).json.result.access_token.access_token as string;
const foreign = (user: string, claims: object = { iat: seconds() }): Promise<string> =>
  new SignJWT({ iss: 'https://idp.example.org', sub: user, name: user, exp: seconds() + 600, ...claims })
    .setProtectedHeader({ alg: 'RS256' })
    .sign(gateway.privateKey);
const users = () => world.deps.store.users;

/** An OAuth client of `owner`, and a pair of tokens that it got for `user`. */
async function aSession(owner: string, user: string) {
  const id = `client-${owner}-${user}-${Math.random()}`;
  const made = await world.ask('POST', '/v3/oauth2/clients', { as: owner, body: { client_id: id } });
  const basic = {
    Authorization: `Basic ${Buffer.from(`${id}:${made.json.result.client_key as string}`).toString('base64')}`,
  };
  const { access_token, refresh_token } = (await login(user, user, basic)).json.result;
  const refreshed = () =>
    world.ask('POST', '/v3/oauth2/tokens', {
      body: { grant_type: 'refresh_token', refresh_token: refresh_token.refresh_token },
      headers: basic,
    });
  return { access: access_token.access_token as string, refreshed, loggedIn: () => login(user, user, basic) };
}

it('shuts a disabled user out at the next request: log-in, access, refresh, clients; with a sentence', async () => {
  const own = await aSession('stranger', 'stranger');
  const lent = await aSession('stranger', 'alice');
  const before = await tokenOf('stranger');
  expect(await isGood(before)).toBe(true);

  await users().disable('dev', 'stranger');

  const sentence = expect.stringContaining('The user stranger is disabled') as string;
  expect(await withToken(before)).toEqual([401, sentence]);
  expect(await withToken(own.access)).toEqual([401, sentence]);
  for (const said of [await login('stranger'), await own.loggedIn()])
    expect([said.status, said.json.message]).toEqual([401, sentence]);
  // a client that does not know the password does not learn that the user is disabled
  expect((await login('stranger', 'wrong')).json.message).not.toContain('disabled');
  // tokens that the user's client got for other users are refused as well
  expect(await withToken(lent.access)).toEqual([401, expect.stringContaining('owner of the client')]);
  for (const said of [await own.refreshed(), await lent.refreshed(), await lent.loggedIn()])
    expect([said.status, said.json.message]).toEqual([401, expect.stringContaining('owner of the client')]);
  expect(await isGood(await tokenOf('alice'))).toBe(true);

  await users().enable('dev', 'stranger');

  expect(await isGood(before)).toBe(false);
  expect((await own.refreshed()).status).toBe(400);
  expect(await isGood(await tokenOf('stranger'))).toBe(true);
  expect((await lent.refreshed()).status).toBe(200);
});

it('refuses the tokens of a trusted issuer for a disabled name, which has no row', async () => {
  const before = await foreign('ghost', {});
  expect(await isGood(before)).toBe(true);
  await users().disable('dev', 'ghost');
  for (const token of [before, await foreign('ghost', { iat: seconds() + 60 })])
    expect(await withToken(token)).toEqual([401, expect.stringContaining('The user ghost is disabled')]);
  expect(await isGood(await foreign('other-ghost'))).toBe(true);
  await users().enable('dev', 'ghost');
  expect(await isGood(before)).toBe(false);
  expect(await isGood(await foreign('ghost', { iat: seconds() + 60 }))).toBe(true);
});

it('ends all tokens and sessions of a user; a new log-in gives others', async () => {
  const session = await aSession('alice', 'train301');
  const theirs = [await foreign('train301'), await foreign('train301', {})];
  for (const token of [session.access, ...theirs]) expect(await isGood(token)).toBe(true);

  await users().endSessions('dev', 'train301');

  for (const token of [session.access, ...theirs])
    expect(await withToken(token)).toEqual([401, expect.stringContaining('revoked')]);
  expect((await session.refreshed()).status).toBe(400);
  expect((await session.loggedIn()).status).toBe(200);
  expect(await isGood(await foreign('train301', { iat: seconds() + 60 }))).toBe(true);
});

it('ends what was issued for a password that has changed, also while it was being checked', async () => {
  const put = async (password: string) => users().put({ tenant: 'dev', username: 'train301', passwordHash: await hashPassword(password), isAdmin: false }); // prettier-ignore
  const session = await aSession('alice', 'train301');
  await put('another one');
  expect((await session.refreshed()).status).toBe(400);
  expect(await isGood(session.access)).toBe(false);
  expect((await login('train301')).status).toBe(400);

  const { guesses } = world.deps;
  world.deps.guesses = {
    ...guesses,
    attempt: async (...words) => {
      const isRight = await guesses.attempt(...words);
      await put('train301');
      return isRight;
    },
  };
  const late = await login('train301', 'another one');
  world.deps.guesses = guesses;
  expect(late.status).toBe(200);
  expect(await isGood(late.json.result.access_token.access_token as string)).toBe(false);
  expect(await isGood(await tokenOf('train301'))).toBe(true);
});

it('lets a refresh token be used once, by one of many at once', async () => {
  const { refreshed } = await aSession('alice', 'alice');
  const said = await Promise.all(Array.from({ length: 5 }, refreshed));
  expect(said.filter(({ status }) => status === 200)).toHaveLength(1);
});

it('refuses jobs for a disabled user, and a seed does not enable that user again', async () => {
  await aTutorial(world);
  const request = { name: 'j', appId: 'img', appVersion: '0.0.1', owner: 'alice' };
  const submit = () => world.ask('POST', '/v3/jobs/submit', { as: 'admin', body: request });
  expect((await submit()).status).toBe(200);
  await users().disable('dev', 'alice');
  const said = await submit();
  expect([said.status, said.json.message]).toEqual([400, expect.stringContaining('owner: the user alice is disabled')]); // prettier-ignore

  const file = join(world.data, 'seed.json');
  writeFileSync(file, JSON.stringify({ tenant: 'dev', users: [{ username: 'alice', password: 'of the seed', admin: true }] })); // prettier-ignore
  await applySeed(file, world.deps);
  expect((await login('alice')).status).toBe(401);
  await users().enable('dev', 'alice');
  expect((await login('alice')).status).toBe(200);
  expect(await users().isAdmin('dev', 'alice')).toBe(false);
});

it('changes the signing key while the API runs: the older one verifies until its tokens expire, or is dropped at once', async () => {
  const { settings } = world.deps.store;
  const kidOf = (token: string): unknown =>
    (JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString()) as { kid: unknown }).kid;
  const published = async () =>
    ((await world.ask('GET', '/v3/tokens/keys')).json.result.keys as { kid: string }[]).map(({ kid }) => kid); // prettier-ignore
  const pem = async () => (await world.ask('GET', '/v3/tenants/dev')).json.result.public_key as string;
  const first = await tokenOf('alice');
  const firstPem = await pem();
  expect(await published()).toEqual([kidOf(first)]);

  const kid = await rotateSigningKey(settings, 'dev', { lifetimeSeconds: 3600, isNow: false });
  const second = await tokenOf('alice');
  expect([kidOf(second), await published()]).toEqual([kid, [kid, kidOf(first)]]);
  expect(await pem()).not.toBe(firstPem);
  expect([await isGood(first), await isGood(second)]).toEqual([true, true]);
  // the private half of a retired key is no longer stored
  expect((await settings.get('signing-key dev'))?.match(/BEGIN PRIVATE KEY/g)).toHaveLength(1);

  await rotateSigningKey(settings, 'dev', { lifetimeSeconds: 0, isNow: false });
  expect([await isGood(first), await isGood(second)]).toEqual([true, false]);

  const third = await tokenOf('alice');
  await rotateSigningKey(settings, 'dev', { lifetimeSeconds: 3600, isNow: true });
  expect([await isGood(first), await isGood(third), await isGood(await tokenOf('alice'))]).toEqual([false, false, true]); // prettier-ignore
  expect(await published()).toHaveLength(1);
});

it('accepts tokens of older releases, which have no kid, with the key that they stored', async () => {
  const { settings } = world.deps.store;
  const pair = await generateKeyPair('RS256', { extractable: true });
  const kept = { private: await exportPKCS8(pair.privateKey), public: await exportSPKI(pair.publicKey) };
  await settings.change('signing-key dev', () => JSON.stringify(kept));
  // as an earlier build signed it
  const token = await new SignJWT({
    jti: '0d5b7c5e-3a53-4f9c-8a54-6f6f1d4f1c11', exp: seconds() + 600, iss: 'http://127.0.0.1:8080/v3/tokens', sub: 'admin@dev',
    'tapis/tenant_id': 'dev', 'tapis/token_type': 'access', 'tapis/username': 'admin', 'tapis/account_type': 'user', 'tapis/delegation': false,
    'tapis/delegation_sub': null, 'tapis/client_id': null, 'tapis/grant_type': 'password', 'tapis/refresh_count': 0,
  }).setProtectedHeader({ alg: 'RS256', typ: 'JWT' }).sign(pair.privateKey); // prettier-ignore

  expect(await isGood(token)).toBe(true);
  await rotateSigningKey(settings, 'dev', { lifetimeSeconds: 3600, isNow: false });
  expect(await isGood(token)).toBe(true);
  await rotateSigningKey(settings, 'dev', { lifetimeSeconds: 3600, isNow: true });
  expect(await isGood(token)).toBe(false);
});
