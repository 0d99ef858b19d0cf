import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync, chmodSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { provisionTemporal } from '../../launcher/provision-temporal.js';
import { aClient, aHome, anyPort, HELD, letGo, seedOf } from '../support/kilim.js';
import { isOk, kilim, start, until, type Running } from '../support/programs.js';
import { part } from '../support/testbed.js';

const ROOT = new URL('../..', import.meta.url).pathname;

const bed = part('postgres');
describe.runIf(bed)('the single programs on a Temporal server and PostgreSQL', () => {
  const home = aHome();
  const database = `kilim_production_${randomBytes(4).toString('hex')}`;
  const adminUrl = bed?.DATABASE_URL ?? '';
  const apis: string[] = [];
  const metrics: string[] = [];
  const running: Running[] = [];
  let workers: Running[] = [];
  let env: Record<string, string> = {};

  const sql = async (text: string): Promise<void> => {
    const client = new pg.Client(adminUrl);
    await client.connect();
    await client.query(text);
    await client.end();
  };

  beforeAll(async () => {
    mkdirSync(join(home, 'data/here'), { recursive: true });
    for (const folder of ['data', 'data/here']) chmodSync(join(home, folder), 0o777);
    const seed = join(home, 'seed.json');
    const keyFile = join(home, 'master.key');
    writeFileSync(seed, JSON.stringify(seedOf(home)), { mode: 0o600 });
    writeFileSync(keyFile, `${randomBytes(32).toString('base64')}\n`, { mode: 0o600 });
    await sql(`create database ${database}`);
    const temporalPort = await anyPort();
    const temporal = start(
      await provisionTemporal(() => undefined),
      [
        'server',
        'start-dev',
        '--headless',
        '--ip',
        '127.0.0.1',
        '--port',
        `${temporalPort}`,
        '--log-level',
        'error',
      ],
      {},
    );
    running.push(temporal);
    env = {
      KILIM_HOME: home,
      DATABASE_URL: adminUrl.replace(/[^/]+$/, database),
      KILIM_MASTER_KEY_FILE: keyFile,
      TEMPORAL_ADDRESS: `127.0.0.1:${temporalPort}`,
      TEMPORAL_NAMESPACE: 'default',
      KILIM_LOCAL_EXECUTION: 'true',
    };
    const migrating = async (): Promise<boolean> => (await kilim(['migrate'], env).ended) === 0;
    await until('migrate', migrating, [temporal]);
    for (const i of [0, 1]) {
      const port = await anyPort();
      const args = i === 0 ? ['api', '--seed', seed] : ['api'];
      const api = kilim(args, { ...env, KILIM_PORT: `${port}` });
      running.push(api);
      apis.push(`http://127.0.0.1:${port}`);
      await until('the API', () => isOk(`${apis[i] ?? ''}/v3/ready`), [api]);
    }
    for (const i of [0, 1]) {
      const port = await anyPort();
      metrics.push(`http://127.0.0.1:${port}`);
      workers.push(kilim(['worker'], { ...env, KILIM_METRICS_PORT: `${port}` }));
      await until('the worker', () => isOk(`${metrics[i] ?? ''}/healthz`), workers);
    }
  }, 120_000);

  afterAll(async () => {
    for (const { child } of [...workers, ...running.reverse()]) child.kill('SIGKILL');
    await Promise.all([...workers, ...running].map(({ ended }) => ended));
    await sql(`drop database if exists ${database} with (force)`);
    rmSync(home, { recursive: true, force: true });
  });

  it('run jobs over either API; a worker that is asked to end drains while its jobs go on', async () => {
    const [one, two] = apis.map(aClient);
    if (!one || !two) throw new Error('two APIs were started');
    const request = {
      appId: 'zip-app',
      execSystemId: 'here',
      parameterSet: {
        appArgs: [{ arg: `'eval "$SCRIPT"'` }],
        envVariables: [{ key: 'SCRIPT', value: `${HELD}; echo done` }],
      },
    };
    const jobs = await Promise.all([one, two, one, two, one, two].map((api) => api.submit(request)));
    for (const uuid of jobs) await two.until(uuid, 'RUNNING', 40);

    const [ending, staying] = workers;
    ending?.child.kill('SIGTERM');
    expect(await ending?.ended, ending?.said()).toBe(0);
    workers = staying ? [staying] : [];
    for (const uuid of jobs) letGo(join(home, 'data/here/workdir/jobs', uuid));

    for (const uuid of jobs)
      expect(await one.until(uuid, 'FINISHED', 60)).toMatchObject({ remoteResultInfo: '0' });
  }, 150_000);

  it('tell Prometheus of jobs, phases, steps and the SDK', async () => {
    const ofApi = await (await fetch(`${apis[0] ?? ''}/metrics`)).text();
    expect(ofApi).toContain('kilim_jobs{status="FINISHED"} 6');
    expect(ofApi).toMatch(/^kilim_ssh_sessions \d+$/m);
    const ofWorker = await (await fetch(`${metrics[1] ?? ''}/metrics`)).text();
    expect(ofWorker).toMatch(/^kilim_phase_seconds_count\{status="RUNNING"\} [1-6]$/m);
    expect(ofWorker).toMatch(/^kilim_step_seconds_count\{step="archiveOutputs"\} [1-6]$/m);
    expect(ofWorker).toMatch(/^kilim_submissions_adopted_total 0$/m);
    expect(ofWorker).toMatch(/^temporal_workflow_completed\{.*\} [1-6]$/m);
    expect((await fetch(`${metrics[1] ?? ''}/else`)).status).toBe(404);
  });

  it('refuse a user who was locked out, and tokens of a dropped key, from the next request to each API on', async () => {
    const command = async (...words: string[]): Promise<void> => {
      const { ended, said } = kilim(words, env);
      expect(await ended, said()).toBe(0);
    };
    const clients = apis.map(aClient);
    const statuses = (user: string) => Promise.all(clients.map(async ({ call }) => (await call('GET', '/v3/systems', undefined, user)).status)); // prettier-ignore
    expect([await statuses('alice'), await statuses('bob')]).toEqual([[200, 200], [200, 200]]); // prettier-ignore

    await command('disable-user', 'bob');
    expect([await statuses('alice'), await statuses('bob')]).toEqual([[200, 200], [401, 401]]); // prettier-ignore

    await command('rotate-signing-key');
    expect(await statuses('alice')).toEqual([200, 200]);
    await command('rotate-signing-key', '--now');
    expect(await statuses('alice')).toEqual([401, 401]);
    const again = apis.map(aClient);
    for (const { call } of again) expect((await call('GET', '/v3/systems')).status).toBe(200);
    for (const api of running.slice(1)) expect(api.said()).toContain('"audit":true');
  }, 60_000);

  it('end by SIGTERM', async () => {
    const ending = [...workers, ...running.slice(1)]; // the first is Temporal
    for (const { child } of ending) child.kill('SIGTERM');
    for (const { ended, said } of ending) expect(await ended, said()).toBe(0);
  });
});

describe('a program that must not start says why in one sentence', () => {
  const home = mkdtempSync(join(tmpdir(), 'kilim-test-'));
  const key = randomBytes(32).toString('base64');
  afterAll(() => rmSync(home, { recursive: true, force: true }));

  it.each([
    ['worker', { KILIM_PORT: 'high' }, 'Kilim cannot start: KILIM_PORT ("high") must be a port number.'],
    [
      'api',
      {},
      `Kilim cannot start: the master key cannot be read (KILIM_MASTER_KEY_FILE or KILIM_MASTER_KEY): ENOENT`,
    ],
    ['worker', {}, `Kilim cannot start: the master key cannot be read`],
    [
      'api',
      { KILIM_MASTER_KEY: 'short' },
      'Kilim cannot start: KILIM_MASTER_KEY must hold keys of 32 bytes in base64.',
    ],
    ['api', { KILIM_MASTER_KEY: key }, 'run "kilim migrate"'],
    ['worker', { KILIM_MASTER_KEY: key }, 'run "kilim migrate"'],
  ])('%s with %j', async (program, env, sentence) => {
    const { ended, said } = kilim([program], { KILIM_HOME: home, ...env });
    expect(await ended).toBe(1);
    expect(said().trim().split('\n')).toEqual([expect.stringContaining(sentence)]);
  });

  it('an option that is none', async () => {
    const { ended, said } = kilim(['api', '--sed', 'x'], { KILIM_HOME: home, KILIM_MASTER_KEY: key });
    expect(await ended).toBe(1);
    expect(said()).toContain("unknown option '--sed'");
  });

  it('a user whose password is easily guessed, where others can reach the API', async () => {
    const seed = join(home, 'seed.json');
    writeFileSync(seed, readFileSync(join(ROOT, 'examples/seed.json')));
    const { ended, said } = kilim(['api', '--migrate', '--seed', seed], {
      KILIM_HOME: home,
      KILIM_MASTER_KEY: key,
      KILIM_HOST: '0.0.0.0',
      KILIM_PORT: `${await anyPort()}`,
    });
    expect(await ended).toBe(1);
    expect(said()).toContain('the password of alice is weak; beyond loopback (KILIM_HOST is 0.0.0.0)');
  });

  it('a log-in with such a password of before; with another one it may', { timeout: 60_000 }, async () => {
    const port = await anyPort();
    const env = { KILIM_HOME: home, KILIM_MASTER_KEY: key, KILIM_PORT: `${port}` };
    const logIn = (password: string): Promise<Response> =>
      fetch(`http://127.0.0.1:${port}/v3/oauth2/tokens`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify({ username: 'alice', password, grant_type: 'password' }),
      });
    const served = async (more: Record<string, string>, words: string[], work: () => Promise<void>) => {
      const api = kilim(['api', ...words], { ...env, ...more });
      const isThere = () => isOk(`http://127.0.0.1:${port}/v3/healthz`).catch(() => false);
      try {
        await until('the API', isThere, [api]);
        await work();
      } finally {
        api.child.kill('SIGTERM');
        await api.ended;
      }
    };
    const change = (password: string) => {
      const words = [join(ROOT, 'bin/kilim'), 'set-password', 'alice'];
      return spawnSync(process.execPath, words, { env: { ...process.env, ...env }, input: `${password}\n`, encoding: 'utf8' }); // prettier-ignore
    };
    await served({}, ['--migrate', '--seed', join(home, 'seed.json')], async () =>
      expect((await logIn('alice')).status).toBe(200),
    );
    expect(change('short')).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('is weak') as string,
    });
    await served({ KILIM_HOST: '0.0.0.0' }, [], async () => {
      const refused = await logIn('alice');
      expect([refused.status, await refused.text()]).toEqual([403, expect.stringContaining('is weak')]);
      expect(change('a longer one').status).toBe(0);
      expect((await logIn('a longer one')).status).toBe(200);
      expect((await logIn('alice')).status).toBe(400);
    });
  });
});
