import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { openStore } from '../../store/open-store.js';
import type { Store } from '../../store/store.js';
import { aPlan } from '../support/a-plan.js';
import { part } from '../support/testbed.js';

const postgres = part('postgres')?.DATABASE_URL;
const KEY = randomBytes(32);
const CANARY = 'canary-9f3a';

describe.each(['sqlite', ...(postgres ? ['postgres'] : [])])('the store on %s', (kind) => {
  let store: Store;
  let second: Store;
  let url: string;
  let cleanUp: () => Promise<void>;

  beforeAll(async () => {
    if (kind === 'sqlite') {
      const dir = mkdtempSync(join(tmpdir(), 'kilim-store-'));
      url = `sqlite:${join(dir, 'kilim.db')}`;
      cleanUp = () => Promise.resolve(rmSync(dir, { recursive: true, force: true }));
    } else {
      const name = `kilim_test_${randomUUID().slice(0, 8)}`;
      await sql(postgres ?? '', `create database ${name}`);
      const address = new URL(postgres ?? '');
      address.pathname = `/${name}`;
      url = address.href;
      cleanUp = () => sql(postgres ?? '', `drop database ${name} with (force)`);
    }
    await expect(openStore({ url, keys: [KEY], mayMigrate: false })).rejects.toThrow(/kilim migrate/);
    store = await openStore({ url, keys: [KEY], mayMigrate: true });
    // two connections of one process cannot wait for each other on SQLite: there its programs meet in the end-to-end tests
    second = kind === 'sqlite' ? store : await openStore({ url, keys: [KEY], mayMigrate: false });
  });
  afterAll(async () => {
    await store.close();
    if (second !== store) await second.close();
    await cleanUp();
  });

  const add = (name = 'test') => {
    const plan = aPlan({ uuid: `${randomUUID()}-007`, name });
    return store.jobs.add(
      { plan, env: [{ key: 'S', value: CANARY, description: null, include: null, notes: null }] },
      `{"secret":"${CANARY}"}`,
    );
  };

  it('adds a job and follows its life', async () => {
    const job = await add();
    expect(job).toMatchObject({ status: 'PENDING', rev: 0, lastMessage: 'Job created', condition: null });
    await store.jobs.record({ uuid: job.uuid, rev: 1, status: 'PROCESSING_INPUTS' });
    await store.jobs.record({ uuid: job.uuid, rev: 2, status: 'BLOCKED', message: 'the host is down' });
    await store.jobs.record({
      uuid: job.uuid,
      rev: 3,
      status: 'FAILED',
      condition: 'JOB_RECOVERY_TIMEOUT',
      message: 'no more',
    });
    const ended = await second.jobs.get(job.uuid);
    expect(ended).toMatchObject({
      status: 'FAILED',
      condition: 'JOB_RECOVERY_TIMEOUT',
      blockedCount: 1,
      lastMessage: 'no more',
    });
    expect(ended.ended).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
    const events = await store.jobs.events(job.uuid, 100, 0);
    expect(events.map(({ event, eventDetail }) => `${event} ${eventDetail}`).slice(-2)).toEqual([
      'JOB_ERROR_MESSAGE FAILED',
      'JOB_NEW_STATUS FAILED',
    ]);
  });

  it('refuses late and illegal records without a word', async () => {
    const { uuid } = await add();
    await store.jobs.record({ uuid, rev: 2, status: 'CANCELLED' });
    await store.jobs.record({ uuid, rev: 1, status: 'PROCESSING_INPUTS' });
    await store.jobs.record({ uuid, rev: 3, status: 'RUNNING' });
    expect(await store.jobs.get(uuid)).toMatchObject({
      status: 'CANCELLED',
      condition: 'CANCELLED_BY_USER',
      rev: 2,
    });
  });

  it('gives an idempotency key one job', async () => {
    const once = { key: randomUUID(), caller: 'alice', bodyHash: 'a' };
    const plans = [aPlan({ uuid: `${randomUUID()}-007` }), aPlan({ uuid: `${randomUUID()}-007` })];
    const both = await Promise.all(
      plans.map((plan, i) => (i ? second : store).jobs.add({ plan, env: [] }, '{}', once)),
    );
    expect(new Set(both.map(({ uuid }) => uuid)).size).toBe(1);
    await expect(store.jobs.findByIdempotencyKey('dev', 'alice', once.key, 'b')).rejects.toMatchObject({
      code: 'CONFLICT',
    });
  });

  it('never lets more jobs in than a limit allows, from two programs at once', async () => {
    const jobs = await Promise.all(Array.from({ length: 6 }, () => add()));
    const key = `limit ${randomUUID()}`;
    const said = await Promise.all(
      jobs.map(({ uuid }, i) => (i % 2 ? second : store).jobs.reserve(uuid, [{ key, limit: 2 }])),
    );
    expect(said.filter((text) => text === null)).toHaveLength(2);
    const first = jobs[said.indexOf(null)];
    const { freed } = await store.jobs.record({ uuid: first?.uuid ?? '', rev: 1, status: 'CANCELLED' });
    expect(freed.length).toBeGreaterThan(0);
    expect(await store.jobs.reserve(freed[0] ?? '', [{ key, limit: 2 }])).toBeNull();
  });

  it('takes writes of two programs at the same time', async () => {
    const jobs = await Promise.all(Array.from({ length: 20 }, () => add()));
    await Promise.all(
      jobs.map(({ uuid }, i) =>
        (i % 2 ? second : store).jobs.record({ uuid, rev: 1, status: 'PROCESSING_INPUTS' }),
      ),
    );
    const all = await Promise.all(jobs.map(({ uuid }) => store.jobs.get(uuid)));
    expect(all.every(({ status }) => status === 'PROCESSING_INPUTS')).toBe(true);
  });

  it('keeps an end that was seen', async () => {
    const { uuid } = await add();
    await store.watch.saveState('k', uuid, { is: 'over', exitCode: 3 }, '2026-01-01T00:00:00Z');
    await store.watch.saveState('k', uuid, { is: 'running' }, '2026-01-01T00:00:01Z');
    expect((await store.watch.findState(uuid))?.state).toEqual({ is: 'over', exitCode: 3 });
  });

  it('lets one of many probe a host', async () => {
    const subject = randomUUID();
    const claims = await Promise.all(
      Array.from({ length: 5 }, (_, i) => (i % 2 ? second : store).watch.claimProbe(subject, 60_000)),
    );
    expect(claims.filter(({ mine }) => mine)).toHaveLength(1);
  });

  it.runIf(kind === 'sqlite')('holds no secret in clear', async () => {
    await add();
    await store.systems.setCredential('dev', 's', 'static', 'u', { password: CANARY });
    expect(await second.systems.getCredential('dev', 's', 'static', 'u')).toEqual({ password: CANARY });
    const file = url.replace('sqlite:', '');
    for (const name of [file, `${file}-wal`]) expect(readFileSync(name).includes(CANARY)).toBe(false);
  });
});

async function sql(address: string, text: string): Promise<void> {
  const client = new pg.Client({ connectionString: address });
  await client.connect();
  await client.query(text);
  await client.end();
}
