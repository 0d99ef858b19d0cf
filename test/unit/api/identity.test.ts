import { createHmac, generateKeyPairSync } from 'node:crypto';
import { rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exportSPKI, generateKeyPair, importPKCS8, SignJWT, type CryptoKey } from 'jose';
import { afterAll, beforeAll, expect, it } from 'vitest';

import { aWorld, type World } from './a-world.js';

let world: World;
const issuers = join(tmpdir(), `kilim-issuers-${process.pid}.json`);
let gateway: { privateKey: CryptoKey; publicKey: CryptoKey };
beforeAll(async () => {
  gateway = await generateKeyPair('RS256', { extractable: true });
  writeFileSync(issuers, JSON.stringify([{ issuer: 'https://idp.example.org', publicKey: await exportSPKI(gateway.publicKey), audience: 'kilim', usernameClaim: 'preferred_username' }])); // prettier-ignore
  world = await aWorld({ KILIM_TRUSTED_ISSUERS: issuers, CORS_ORIGINS: 'https://ui.example.org' });
});
afterAll(async () => {
  await world.close();
  rmSync(issuers, { force: true });
});

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
const hour = (): number => Math.floor(Date.now() / 1000) + 3600;
const claims = () => ({
  jti: 'x', sub: 'admin@dev', iss: `${world.url}/v3/tokens`, exp: hour(), 'tapis/tenant_id': 'dev', 'tapis/token_type': 'access',
  'tapis/username': 'admin', 'tapis/account_type': 'user',
}); // prettier-ignore
const statusWith = async (headers: Record<string, string>): Promise<number> =>
  (await world.ask('GET', '/v3/systems', { headers })).status;
const login = (body: object, headers = {}) =>
  world.ask('POST', '/v3/oauth2/tokens', { body: { grant_type: 'password', ...body }, headers });

it('accepts its own token in either header', async () => {
  const token = await world.token('alice');
  expect(await statusWith({ 'X-Tapis-Token': token })).toBe(200);
  expect(await statusWith({ Authorization: `Bearer ${token}` })).toBe(200);
  expect(JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString())).not.toHaveProperty(
    'aud',
  );
});

it('refuses every forged token with 401', async () => {
  const good = await world.token('alice');
  const [head = '', body = '', signature = ''] = good.split('.');
  const pem = (await world.ask('GET', '/v3/tenants')).json.result[0].public_key as string;
  const hs256 = `${encode({ alg: 'HS256', typ: 'JWT' })}.${encode(claims())}`;
  const other = await generateKeyPair('RS256');
  const sign = (payload: object, key: CryptoKey, header = {}) =>
    new SignJWT({ ...payload }).setProtectedHeader({ alg: 'RS256', ...header }).sign(key);
  const jwk = {
    alg: 'RS256',
    jwk: generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey.export({ format: 'jwk' }),
  };
  const forged = [
    '', 'nonsense', 'a.b.c', good.slice(0, -4), `${head}.${encode({ ...JSON.parse(Buffer.from(body, 'base64url').toString()), 'tapis/username': 'admin' })}.${signature}`,
    `${encode({ alg: 'none' })}.${encode(claims())}.`, `${encode({ alg: 'None' })}.${encode(claims())}.${signature}`,
    `${hs256}.${createHmac('sha256', pem).update(hs256).digest('base64url')}`,
    await sign(claims(), other.privateKey), await sign(claims(), other.privateKey, jwk), await sign(claims(), other.privateKey, { jku: 'http://127.0.0.1/keys', kid: '../../etc/passwd' }),
    await sign(claims(), gateway.privateKey),
  ]; // prettier-ignore
  for (const token of forged) {
    const said = await world.ask('GET', '/v3/systems', { headers: { 'X-Tapis-Token': token } });
    expect([token.slice(0, 30), said.status, said.type]).toEqual([
      token.slice(0, 30),
      401,
      'application/json',
    ]);
  }
  expect(await statusWith({})).toBe(401);
  expect(await statusWith({ Authorization: 'Basic YTpi' })).toBe(401);
});

it('refuses a token without an id as such, not as a revoked one', async () => {
  const key = (await world.deps.store.settings.get('signing-key dev')) ?? '';
  const { keys } = JSON.parse(key) as { keys: { private: string }[] };
  const token = await new SignJWT({ ...claims(), jti: undefined })
    .setProtectedHeader({ alg: 'RS256' })
    .sign(await importPKCS8(keys[0]?.private ?? '', 'RS256'));
  const said = await world.ask('GET', '/v3/systems', { headers: { 'X-Tapis-Token': token } });
  expect([said.status, said.json.message]).toEqual([
    401,
    expect.stringContaining('The token has no id (jti)'),
  ]);
});

it('refuses a NUL character in the name of a client before the store is asked, however it is encoded', async () => {
  const form = { 'Content-Type': 'application/x-www-form-urlencoded' };
  const basic = { ...form, Authorization: `Basic ${Buffer.from('a\0b:key').toString('base64')}` };
  const refresh = 'grant_type=refresh_token&refresh_token=x';
  const sent = [
    { body: `${refresh}&client_id=a%00b`, headers: form },
    { body: refresh, headers: basic },
  ];
  for (const one of sent) {
    const said = await world.ask('POST', '/v3/oauth2/tokens', one);
    expect([said.status, said.json.message]).toEqual([
      400,
      expect.stringContaining('client_id: contains a NUL'),
    ]);
  }
});

it('refuses on-behalf-of headers with the token of a user', async () => {
  const token = await world.token('alice');
  expect(await statusWith({ 'X-Tapis-Token': token, 'X-Tapis-User': 'admin', 'X-Tapis-Tenant': 'dev' })).toBe(
    401,
  );
});

it('refuses an expired and a revoked token', async () => {
  const short = await aWorld({ KILIM_ACCESS_TOKEN_SECONDS: '1' });
  const token = await short.token('alice');
  await expect
    .poll(
      async () => (await short.ask('GET', '/v3/systems', { headers: { 'X-Tapis-Token': token } })).status,
      { timeout: 5000 },
    )
    .toBe(401);
  await short.close();
  const made = (await login({ username: 'alice', password: 'alice' })).json.result.access_token.access_token;
  expect(await statusWith({ 'X-Tapis-Token': made })).toBe(200);
  expect((await world.ask('POST', '/v3/oauth2/tokens/revoke', { body: { token: made } })).status).toBe(200);
  expect(await statusWith({ 'X-Tapis-Token': made })).toBe(401);
});

it('gives a client a refresh token that counts once and opens nothing by itself', async () => {
  const client = (
    await world.ask('POST', '/v3/oauth2/clients', { as: 'alice', body: { client_id: 'notebook' } })
  ).json.result;
  const basic = { Authorization: `Basic ${Buffer.from(`notebook:${client.client_key}`).toString('base64')}` };
  const first = (await login({ username: 'alice', password: 'alice' }, basic)).json.result;
  expect(await statusWith({ 'X-Tapis-Token': first.refresh_token.refresh_token })).toBe(401);
  const refresh = (headers = {}) => world.ask('POST', '/v3/oauth2/tokens', { body: { grant_type: 'refresh_token', refresh_token: first.refresh_token.refresh_token }, headers }); // prettier-ignore
  expect((await refresh()).status).toBe(400);
  const second = await refresh(basic);
  expect(second.status).toBe(200);
  expect(second.json.result.refresh_token.refresh_token).not.toBe(first.refresh_token.refresh_token);
  expect(await statusWith({ 'X-Tapis-Token': second.json.result.access_token.access_token })).toBe(200);
  expect((await refresh(basic)).status).toBe(400);

  expect(
    (await world.ask('POST', '/v3/oauth2/clients', { as: 'train301', body: { client_id: 'notebook' } }))
      .status,
  ).toBe(400);
  expect((await world.ask('GET', '/v3/oauth2/clients/notebook', { as: 'train301' })).status).toBe(403);
  expect((await world.ask('GET', '/v3/oauth2/clients', { as: 'alice' })).json.result).toMatchObject([
    { client_id: 'notebook', active: true },
  ]);
  expect(
    (await world.ask('DELETE', '/v3/oauth2/clients/notebook', { as: 'alice' })).json.result,
  ).toMatchObject({ active: false });
  expect((await login({ username: 'alice', password: 'alice' }, basic)).status).toBe(400);
});

it('takes the tokens of a configured issuer and audience', async () => {
  const sign = (payload: object) => new SignJWT({ iss: 'https://idp.example.org', exp: hour(), sub: '4711', ...payload }).setProtectedHeader({ alg: 'RS256' }).sign(gateway.privateKey); // prettier-ignore
  expect(
    await statusWith({
      Authorization: `Bearer ${await sign({ aud: 'kilim', preferred_username: 'train301' })}`,
    }),
  ).toBe(200);
  expect(
    await statusWith({
      Authorization: `Bearer ${await sign({ aud: 'other', preferred_username: 'train301' })}`,
    }),
  ).toBe(401);
  expect(await statusWith({ Authorization: `Bearer ${await sign({ aud: 'kilim' })}` })).toBe(401);
});

it('slows failed log-ins and does not say what was wrong', async () => {
  const wrong = await login({ username: 'stranger', password: 'no' });
  const unknown = await login({ username: 'nobody-at-all', password: 'no' });
  expect([wrong.status, unknown.status, wrong.json.message]).toEqual([400, 400, unknown.json.message]);
  for (let i = 0; i < 9; i++) await login({ username: 'stranger', password: 'no' });
  expect((await login({ username: 'stranger', password: 'stranger' })).status).toBe(429);
  expect((await login({ username: 'alice', password: 'alice' })).status).toBe(200);
  expect((await login({ username: 'alice', password: 'alice', grant_type: 'magic' })).status).toBe(400);
});

it('counts guesses that come at once, one by one', async () => {
  const guesses = await Promise.all(
    Array.from({ length: 30 }, () => login({ username: 'admin', password: 'no' })),
  );
  expect(guesses.filter(({ status }) => status === 400)).toHaveLength(10);
  expect(guesses.filter(({ status }) => status === 429)).toHaveLength(20);
});

it('slows an address behind a proxy, not the proxy, and believes no address that the client made up', async () => {
  const proxied = await aWorld({ TRUST_PROXY: 'true' });
  try {
    const login = (username: string, password: string, from: string) =>
      proxied.ask('POST', '/v3/oauth2/tokens', {
        body: { username, password, grant_type: 'password' },
        headers: { 'X-Forwarded-For': from },
      });
    for (let i = 0; i < 10; i++) await login('alice', 'no', `198.51.100.${i}, 203.0.113.1`);
    expect((await login('alice', 'alice', '198.51.100.99, 203.0.113.1')).status).toBe(429);
    expect((await login('alice', 'alice', '203.0.113.2')).status).toBe(200);
  } finally {
    await proxied.close();
  }
});

it('answers preflights of allowed origins', async () => {
  const ask = (origin: string) =>
    world.ask('OPTIONS', '/v3/jobs/submit', {
      headers: { Origin: origin, 'Access-Control-Request-Method': 'POST' },
    });
  const allowed = await ask('https://ui.example.org');
  expect([allowed.status, allowed.headers.get('access-control-allow-origin')]).toEqual([
    204,
    'https://ui.example.org',
  ]);
  expect((await ask('https://evil.example.org')).headers.get('access-control-allow-origin')).toBeNull();
});

it('knows profiles, metadata and metrics', async () => {
  expect((await world.ask('GET', '/v3/oauth2/userinfo', { as: 'alice' })).json.result).toMatchObject({
    username: 'alice',
  });
  expect((await world.ask('GET', '/v3/oauth2/profiles', { as: 'alice' })).json.result).toHaveLength(4);
  expect(
    (await world.ask('GET', '/v3/oauth2/.well-known/oauth-authorization-server')).json.result.token_endpoint,
  ).toBe(`${world.url}/v3/oauth2/tokens`);
  const metrics = await world.ask('GET', '/metrics');
  expect([metrics.status, metrics.text]).toEqual([
    200,
    expect.stringContaining('kilim_jobs{status="FINISHED"} 0'),
  ]);
});
