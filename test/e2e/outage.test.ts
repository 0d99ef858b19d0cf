import { randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';

import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { aClient, aHome, anyPort, seedOf } from '../support/kilim.js';
import { isOk, kilim, until, type Running } from '../support/programs.js';
import { part } from '../support/testbed.js';

/** A way to PostgreSQL that can be closed: then it refuses, as a server that is stopped does; or that swallows what it is told. */
async function aWay(target: number) {
  const port = await anyPort();
  const open = new Set<net.Socket>();
  let server: net.Server | null = null;
  let isSilent = false;
  const way = {
    port,
    silence: () => {
      isSilent = true;
      for (const socket of open) socket.unpipe().resume();
    },
    open: () =>
      new Promise<void>((resolve) => {
        isSilent = false;
        server = net.createServer((near) => {
          open.add(near.on('error', () => undefined));
          if (isSilent) return;
          const far = net.connect(target, '127.0.0.1');
          open.add(far.on('error', () => undefined));
          near.pipe(far).pipe(near);
          near.on('close', () => far.destroy());
          far.on('close', () => near.destroy());
        });
        server.listen(port, '127.0.0.1', resolve);
      }),
    close: () => {
      server?.close();
      for (const socket of open) socket.destroy();
      open.clear();
    },
  };
  await way.open();
  return way;
}

const bed = part('postgres');
describe.runIf(bed)('an API whose Temporal is away', () => {
  const home = aHome();
  const database = `kilim_outage_${randomBytes(4).toString('hex')}`;
  const adminUrl = new URL(bed?.DATABASE_URL ?? 'postgres://nobody@127.0.0.1/none');
  let way: Awaited<ReturnType<typeof aWay>>;
  let api: Running;
  let url = '';
  let uuid = '';

  const sql = async (text: string): Promise<void> => {
    const client = new pg.Client(adminUrl.href);
    await client.connect();
    await client.query(text);
    await client.end();
  };

  beforeAll(async () => {
    mkdirSync(join(home, 'data/here'), { recursive: true });
    for (const folder of ['data', 'data/here']) chmodSync(join(home, folder), 0o777);
    writeFileSync(join(home, 'seed.json'), JSON.stringify(seedOf(home)), { mode: 0o600 });
    await sql(`create database ${database}`);
    way = await aWay(Number(adminUrl.port));
    const through = new URL(adminUrl.href);
    through.port = String(way.port);
    through.pathname = database;
    through.searchParams.set('query_timeout', '1500');
    const port = await anyPort();
    const key = randomBytes(32);
    const env = {
      KILIM_HOME: home,
      DATABASE_URL: through.href,
      KILIM_MASTER_KEY: key.toString('base64'),
      TEMPORAL_ADDRESS: `127.0.0.1:${await anyPort()}`, // nobody listens there
      KILIM_LOCAL_EXECUTION: 'true',
      KILIM_PORT: `${port}`,
    };
    // `kilim migrate` wants Temporal as well
    api = kilim(['api', '--migrate', '--seed', join(home, 'seed.json')], env);
    url = `http://127.0.0.1:${port}`;
    await until('the API', () => isOk(`${url}/v3/systems/healthcheck`).catch(() => false), [api]);
  }, 60_000);
  afterAll(async () => {
    api.child.kill('SIGKILL');
    await api.ended;
    way.close();
    await sql(`drop database if exists ${database} with (force)`);
    rmSync(home, { recursive: true, force: true });
  });

  const ask = async (method: string, path: string, token: string, body?: unknown) => {
    const reply = await fetch(`${url}${path}`, {
      method,
      headers: { 'X-Tapis-Token': token, 'Content-Type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return { status: reply.status, retry: reply.headers.get('retry-after'), said: (await reply.json()) as { message: string; status: string } }; // prettier-ignore
  };
  const logIn = async (): Promise<string> => {
    const body = { username: 'alice', password: 'alice', grant_type: 'password' };
    const reply = await fetch(`${url}/v3/oauth2/tokens`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) }); // prettier-ignore
    return ((await reply.json()) as { result: { access_token: { access_token: string } } }).result.access_token.access_token; // prettier-ignore
  };
  const job = { name: 'kept', appId: 'zip-app', appVersion: '1', execSystemId: 'here' };

  it('takes a job and a cancel, and says what cannot be asked now', async () => {
    uuid = await aClient(url).submit({ appId: 'zip-app', execSystemId: 'here' });
    const token = await logIn();
    for (const order of ['pause', 'resume']) {
      const { status, retry, said } = await ask('POST', `/v3/jobs/${uuid}/${order}`, token);
      expect([order, status, Number(retry)]).toEqual([order, 503, expect.any(Number)]);
      expect(Number(retry)).toBeGreaterThan(0);
      expect(said.message).toContain('engine does not answer');
    }
    expect((await ask('GET', `/v3/jobs/${uuid}/status`, token)).status).toBe(200);
    expect((await ask('POST', `/v3/jobs/${uuid}/cancel`, token)).status).toBe(200); // kept for later
  }, 60_000);

  it('answers 503 to everything while the store is away, changes nothing, and goes on by itself', async () => {
    const token = await logIn();
    way.close();
    const questions: [string, string, unknown?][] = [
      ['GET', `/v3/jobs/${uuid}`],
      ['GET', '/v3/jobs/list'],
      ['POST', '/v3/jobs/submit', job],
      ['POST', `/v3/jobs/${uuid}/cancel`],
      ['GET', '/v3/systems'],
      ['GET', '/v3/apps'],
      ['GET', '/v3/files/ops/here/'],
      ['POST', '/v3/oauth2/tokens', { username: 'alice', password: 'alice', grant_type: 'password' }],
    ];
    for (const [method, path, body] of questions) {
      const { status, retry, said } = await ask(method, path, token, body);
      expect([path, status, said.status]).toEqual([path, 503, 'error']);
      expect([path, Number(retry) > 0]).toEqual([path, true]);
    }
    expect((await fetch(`${url}/v3/ready`)).status).toBe(503);
    expect(api.child.exitCode).toBeNull();

    await way.open();
    await until('the store', async () => (await ask('GET', '/v3/jobs/list', token)).status === 200, [api]);
    const { said } = await ask('GET', '/v3/jobs/list?computeTotal=true', token);
    expect((said as unknown as { metadata: { totalCount: number } }).metadata.totalCount).toBe(1);
    expect((await ask('POST', '/v3/jobs/submit', token, job)).status).toBe(200);
  }, 120_000);

  it('answers 503 to who asks while the store is silent or breaks off, and goes on by itself', async () => {
    const token = await logIn();
    const crowd = () => Promise.all(Array.from({ length: 15 }, () => ask('GET', '/v3/jobs/list', token)));
    way.silence();
    const heard = crowd();
    for (const { status, retry } of await heard) expect([status, Number(retry) > 0]).toEqual([503, true]);
    const cut = ask('POST', '/v3/jobs/submit', token, job);
    const waiting = crowd();
    way.close();
    for (const { status } of [...(await waiting), await cut]) expect(status).toBe(503);
    expect(api.child.exitCode).toBeNull();

    await way.open();
    await until('the store', async () => (await ask('GET', '/v3/jobs/list', token)).status === 200, [api]);
    const { said } = await ask('GET', '/v3/jobs/list?computeTotal=true', token);
    expect((said as unknown as { metadata: { totalCount: number } }).metadata.totalCount).toBe(2);
  }, 120_000);
});
