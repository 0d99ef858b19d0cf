import { describe, expect, it, vi } from 'vitest';

import { watchKey } from '../../../domain/jobs/remote.js';
import type { Store } from '../../../store/store.js';
import { aPlanned, atOnce, DATABASES, withStore } from './a-store.js';

describe.each(DATABASES)('places and watching on $name', ({ make }) => {
  let store: Store;
  withStore(make, (opened) => ({ store } = opened));

  const aJob = async () => (await store.jobs.add(aPlanned(), '{}')).uuid;
  const someJobs = (n: number) => Promise.all(Array.from({ length: n }, aJob));

  it.each([1, 2, 3, 4, 5])('admits as many as the limit, however many ask at once (%i)', async (round) => {
    const jobs = await someJobs(12);
    const limits = [{ key: `system ${round}`, limit: 9 }, { key: `owner ${round}`, limit: 3 }]; // prettier-ignore
    const said = await atOnce(store, jobs.length, (i) =>
      // asked in both orders, so that a careless lock would be a deadlock
      store.jobs.reserve(jobs[i] ?? '', i % 2 ? limits : limits.toReversed()),
    );
    expect(said.filter((text) => text === null)).toHaveLength(3);
    expect(said.find((text) => text !== null)).toBe(
      `The limit of 3 active jobs for owner ${round} is reached.`,
    );
  });

  it.each([1, 2, 3, 4, 5])('forgets no waiter that is refused while a place is freed (%i)', async (round) => {
    const [one = '', two = ''] = await someJobs(2);
    const limits = [{ key: `freed ${round}`, limit: 1 }];
    await store.jobs.reserve(one, limits);
    const [{ freed }, refused] = await Promise.all([
      store.jobs.record({ uuid: one, rev: 1, status: 'CANCELLED' }),
      store.jobs.reserve(two, limits),
    ]);
    expect(freed).toEqual(refused === null ? [] : [two]);
  });

  it('may be asked again by who has a place', async () => {
    const [one = '', two = ''] = await someJobs(2);
    const limits = [{ key: 'b', limit: 1 }];
    expect([await store.jobs.reserve(one, limits), await store.jobs.reserve(one, limits)]).toEqual([
      null,
      null,
    ]);
    expect(await store.jobs.reserve(two, limits)).toMatch(/limit of 1 active job for b /);
    expect(await store.jobs.reserve(two, [])).toBeNull();
  });

  it('takes no place where one of the limits is reached', async () => {
    const [one = '', two = '', three = ''] = await someJobs(3);
    await store.jobs.reserve(one, [{ key: 'full', limit: 1 }]);
    expect(await store.jobs.reserve(two, [{ key: 'free', limit: 1 }, { key: 'full', limit: 1 }])).toContain('full'); // prettier-ignore
    expect(await store.jobs.reserve(three, [{ key: 'free', limit: 1 }])).toBeNull();
  });

  it('names the two oldest waiters when a job ends, and they get its place', async () => {
    const [one = '', ...waiting] = await someJobs(4);
    const limits = [{ key: 'c', limit: 1 }, { key: 'd', limit: 1 }]; // prettier-ignore
    await store.jobs.reserve(one, limits);
    for (const uuid of waiting) {
      await store.jobs.reserve(uuid, limits);
      await store.jobs.reserve(uuid, limits.toReversed()); // it waits for both, and is one all the same
      await store.jobs.record({ uuid, rev: 1, status: 'BLOCKED' }); // it keeps its place in the line
    }
    expect(await Promise.all([one, ...waiting].map((uuid) => store.jobs.ahead(uuid)))).toEqual([null, 0, 1, 2]); // prettier-ignore

    expect((await store.jobs.record({ uuid: one, rev: 1, status: 'CANCELLED' })).freed).toEqual(waiting.slice(0, 2)); // prettier-ignore
    expect(await store.jobs.reserve(waiting[0] ?? '', limits)).toBeNull();
    expect(await store.jobs.reserve(waiting[1] ?? '', limits)).not.toBeNull();
    expect((await store.jobs.record({ uuid: waiting[0] ?? '', rev: 2, status: 'FAILED' })).freed).toEqual(waiting.slice(1)); // prettier-ignore
  });

  it('keeps a freed place for who was submitted first, however quick the others are', async () => {
    const limits = [{ key: 'fair', limit: 1 }];
    const jobs = await Promise.all((await someJobs(30)).map((uuid) => store.jobs.get(uuid)));
    const line = jobs.sort((a, b) => a.created.localeCompare(b.created)).map(({ uuid }) => uuid);
    const [first = '', ...others] = line;
    await store.jobs.reserve(first, limits);
    for (const uuid of others.toReversed()) await store.jobs.reserve(uuid, limits); // asked the wrong way round
    const order: string[] = [];
    for (let running = first; order.length < others.length;) {
      const { rev } = await store.jobs.get(running);
      await store.jobs.record({ uuid: running, rev: rev + 1, status: 'CANCELLED' });
      // all ask again, the youngest first
      for (const uuid of others.filter((other) => !order.includes(other)).toReversed())
        if ((await store.jobs.reserve(uuid, limits)) === null) order.push((running = uuid));
    }
    expect(order).toEqual(others);
  });

  it('keeps each of several places that are freed at once for who is next', async () => {
    const limits = [{ key: 'several', limit: 5 }];
    const jobs = await Promise.all((await someJobs(15)).map((uuid) => store.jobs.get(uuid)));
    const line = jobs.sort((a, b) => a.created.localeCompare(b.created)).map(({ uuid }) => uuid);
    for (const uuid of line) await store.jobs.reserve(uuid, limits);
    const woken = new Set<string>();
    for (const uuid of line.slice(0, 5))
      for (const one of (await store.jobs.record({ uuid, rev: 1, status: 'CANCELLED' })).freed)
        woken.add(one);
    expect(await store.jobs.reserve(line.at(-1) ?? '', limits)).not.toBeNull(); // the youngest asks by itself, and first
    const took: string[] = [];
    for (const uuid of [...woken].toReversed())
      if ((await store.jobs.reserve(uuid, limits)) === null) took.push(uuid);
    expect(took.toReversed()).toEqual(line.slice(5, 10));
  });

  it('does not wait for a waiter who is paused', async () => {
    const [one = '', two = '', three = ''] = await someJobs(3);
    const limits = [{ key: 'paused', limit: 1 }];
    await store.jobs.reserve(one, limits);
    const [older = '', younger = ''] = (await Promise.all([two, three].map((uuid) => store.jobs.get(uuid))))
      .sort((a, b) => a.created.localeCompare(b.created)).map(({ uuid }) => uuid); // prettier-ignore
    await store.jobs.reserve(older, limits);
    await store.jobs.reserve(younger, limits);
    await store.jobs.record({ uuid: older, rev: 1, status: 'PAUSED' });
    expect((await store.jobs.record({ uuid: one, rev: 1, status: 'CANCELLED' })).freed).toEqual([younger]);
    expect(await store.jobs.reserve(younger, limits)).toBeNull();
  });

  it('gives the place back when a job is blocked, and forgets a waiter that ended', async () => {
    const [one = '', two = '', three = ''] = await someJobs(3);
    const limits = [{ key: 'e', limit: 1 }];
    await store.jobs.reserve(one, limits);
    await store.jobs.reserve(two, limits);
    await store.jobs.reserve(three, limits);
    await store.jobs.record({ uuid: two, rev: 1, status: 'CANCELLED' });

    expect((await store.jobs.record({ uuid: one, rev: 1, status: 'BLOCKED' })).freed).toEqual([three]);
    expect(await store.jobs.reserve(three, limits)).toBeNull();
  });

  it.each([1, 2, 3, 4, 5])(
    'gives no place to a job that has ended, however late it asks (%i)',
    async (round) => {
      const [one = '', two = ''] = await someJobs(2);
      const limits = [{ key: `late ${round}`, limit: 1 }];
      // a try that hangs is given up, and the job may be cancelled meanwhile
      await Promise.all([
        store.jobs.reserve(one, limits),
        store.jobs.record({ uuid: one, rev: 1, status: 'CANCELLED' }),
      ]);
      await store.jobs.reserve(one, limits);
      expect(await store.jobs.reserve(two, limits)).toBeNull();
    },
  );

  it('keeps what a look saw, and never takes back an end', async () => {
    const key = 'watch:dev:h:22:alice';
    expect([await store.watch.snapshotAge(key), await store.watch.findState('x1')]).toEqual([null, null]);
    const [first, second, third] = [3, 2, 1].map((s) => new Date(Date.now() - s * 1_000).toISOString()) as [string, string, string]; // prettier-ignore
    await store.watch.saveSnapshot(
      key,
      { x1: { is: 'queued', reason: 'Priority' }, x2: { is: 'running' } },
      first,
    );
    await store.watch.saveSnapshot(key, { x1: { is: 'running' }, x2: { is: 'running' } }, second);
    expect(await store.watch.findState('x1')).toEqual({ state: { is: 'running' }, seenAt: second });
    expect(await store.watch.findState('x2')).toEqual({ state: { is: 'running' }, seenAt: first }); // since when

    await store.watch.saveState(key, 'x1', { exitCode: 3, is: 'over' }, third);
    await store.watch.saveSnapshot(
      key,
      { x1: { is: 'over', exitCode: null }, x2: { is: 'over', exitCode: 0 } },
      third,
    );
    await store.watch.saveState(key, 'x1', { is: 'unknown', why: 'gone' }, third);
    expect(await store.watch.findState('x1')).toEqual({ state: { is: 'over', exitCode: 3 }, seenAt: third });
    expect(await store.watch.findState('x2')).toEqual({ state: { is: 'over', exitCode: 0 }, seenAt: third });
    const age = await store.watch.snapshotAge(key);
    expect(age).toBeGreaterThanOrEqual(1_000);
    expect(age).toBeLessThan(20_000);
    expect(await store.watch.snapshotAges()).toEqual([]); // no job of that host lives
  });

  it('takes an empty look, and one of a busy host', async () => {
    const key = 'watch:dev:busy:22:alice';
    const many = Object.fromEntries(
      Array.from({ length: 1_234 }, (_, i) => [`busy-${i}`, { is: 'running' as const }]),
    );
    await store.watch.saveSnapshot(key, {}, new Date().toISOString());
    await store.watch.saveSnapshot(key, many, new Date().toISOString());
    expect((await store.watch.findState('busy-1233'))?.state).toEqual({ is: 'running' });
  });

  it('counts a look at all jobs as one at each, and knows of jobs that none has told of', async () => {
    const planned = aPlanned();
    const { uuid, exec, tenant } = planned.plan;
    const key = watchKey(tenant, exec);
    await store.jobs.add(planned, '{}');
    for (const [i, status] of (['PROCESSING_INPUTS', 'STAGING_INPUTS', 'STAGING_JOB', 'SUBMITTING_JOB'] as const).entries())
      await store.jobs.record({ uuid, rev: i + 1, status }); // prettier-ignore
    await store.jobs.setRemoteJobId(uuid, '4711');
    const before = await store.watch.hasUnseen(key);
    await store.jobs.record({ uuid, rev: 5, status: 'RUNNING' });
    expect((await store.jobs.get(uuid)).remoteLastStatusCheck).toBeNull();
    expect(await store.watch.hasUnseen(key)).toBe(true);
    await store.watch.saveSnapshot(key, { [uuid]: { is: 'running' } }, new Date().toISOString());
    expect(await store.watch.hasUnseen(key)).toBe(before);
    expect((await store.jobs.get(uuid)).remoteLastStatusCheck).not.toBeNull();
    await store.jobs.record({ uuid, rev: 6, status: 'FAILED' });
  });

  it.each([1, 2, 3, 4, 5])('lets one of many probe a host (%i)', async (round) => {
    const claims = await atOnce(store, 8, () => store.watch.claimProbe(`host ${round}`, 60_000));
    expect(claims.filter(({ mine }) => mine)).toHaveLength(1);
  });

  it('probes again, and takes no old look for a new one, after the clock went back by an hour', async () => {
    const key = 'watch:dev:clock:22:alice';
    expect(await store.watch.claimProbe('clock', 60_000)).toMatchObject({ mine: true });
    await store.watch.saveSnapshot(key, {}, new Date().toISOString());
    const hourAgo = Date.now() - 3_600_000;
    const clock = vi.spyOn(Date, 'now').mockReturnValue(hourAgo);
    expect(await store.watch.claimProbe('clock', 60_000)).toMatchObject({ mine: true });
    expect(await store.watch.claimProbe('clock', 60_000)).toMatchObject({ mine: false });
    expect(await store.watch.snapshotAge(key)).toBeNull();
    clock.mockRestore();
  });

  it('tells the others what a probe saw', async () => {
    expect(await store.watch.claimProbe('host', 60_000)).toMatchObject({ mine: true });
    expect(await store.watch.claimProbe('host', 60_000)).toEqual({
      mine: false,
      ok: null,
      said: null,
      at: null,
    });
    await store.watch.saveProbe('host', false, 'refused');
    expect(await store.watch.claimProbe('host', 60_000)).toMatchObject({ mine: false, ok: false, said: 'refused', at: expect.any(String) }); // prettier-ignore
    expect(await store.watch.claimProbe('host', -1)).toMatchObject({ mine: true, ok: false });
    // nobody goes by the older answer while one looks
    expect(await store.watch.claimProbe('host', 60_000)).toMatchObject({
      mine: false,
      ok: null,
      said: 'refused',
    });
  });

  it('names every system with a launched job by the newest of these', async () => {
    const on = async (systemId: string, remoteJobId: string | null) => {
      const exec = { ...aPlanned().plan.exec, systemId };
      const { uuid } = await store.jobs.add(aPlanned({ exec }), '{}');
      if (remoteJobId) await store.jobs.setRemoteJobId(uuid, remoteJobId);
      return uuid;
    };
    await on('one.example', '1');
    const newest = await on('one.example', '2');
    await on('one.example', null);
    await on('two.example', null);
    const found = (await store.watch.newestJobs(60_000)).filter(({ plan }) =>
      /^(one|two)\./.test(plan.exec.systemId),
    );
    expect(found.map(({ uuid }) => uuid)).toEqual([newest]);
    expect(await store.watch.newestJobs(-60_000)).toEqual([]);
  });
});
