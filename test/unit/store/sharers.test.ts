import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import type { JobPlan } from '../../../domain/jobs/job-plan.js';
import type { Store } from '../../../store/store.js';
import { aPlanned, DATABASES, type Place } from './a-store.js';

describe.each(DATABASES)('jobs that share directories, on $name', ({ make }) => {
  let place: Place;
  let store: Store;
  beforeAll(async () => {
    place = await make();
    store = await place.open();
  });
  afterAll(async () => {
    await store.close();
    await place.remove();
  });

  const add = async (dir: string, more: Partial<JobPlan> = {}): Promise<JobPlan> => {
    const dirs = { execSystemExecDir: dir, execSystemInputDir: dir, execSystemOutputDir: `${dir}/out`, archiveSystemDir: `${dir}/out` }; // prettier-ignore
    return (await store.jobs.add(aPlanned({ ...dirs, ...more }), '{}')).plan;
  };
  const found = async (plan: JobPlan) => (await store.jobs.findSharers(plan)).map(({ uuid }) => uuid);

  it.each(['/plain', '/a b', '/100%_of\\it', `/with "quotes" and 'others'`, '/ünï', '/$Home'])(
    'are found by the whole name: %s',
    async (dir) => {
      const one = await add(dir);
      await add(`${dir}x`);
      await add(dir.replace('%', 'x').replace('_', 'y').toUpperCase());
      const two = await add(dir);
      expect(await found(one)).toEqual([two.uuid]);
      expect(await found(two)).toEqual([one.uuid]);
    },
  );

  it('are those of the tenant that have not ended, with the directories that both use', async () => {
    const one = await add('/ends');
    const two = await add('/ends');
    await add('/ends', { tenant: 'other' });
    expect(await store.jobs.findSharers(one)).toEqual([
      { uuid: two.uuid, dirs: expect.arrayContaining([{ role: 'execSystemExecDir', systemId: one.exec.systemId, dir: '/ends' }]) as unknown },
    ]); // prettier-ignore
    await store.jobs.record({ uuid: two.uuid, rev: 1, status: 'CANCELLED' });
    expect(await found(one)).toEqual([]);
  });

  it('are the newest three, however many there are', async () => {
    const all: JobPlan[] = [];
    for (let n = 0; n < 5; n++) all.push(await add('/crowded'));
    const newest = all.slice(2, 5).map(({ uuid }) => uuid);
    const last = await add('/crowded');
    expect(await found(last)).toEqual(newest.toReversed());
  });

  it('are also jobs that were given the directory of a job that chose none, and that job', async () => {
    const own = aPlanned();
    const dir = `/jobs/${own.plan.uuid}`;
    const dirs = { execSystemExecDir: dir, execSystemInputDir: dir, execSystemOutputDir: `${dir}/output`, archiveSystemDir: `${dir}/output` }; // prettier-ignore
    const one = (await store.jobs.add({ ...own, plan: { ...own.plan, ...dirs } }, '{}')).plan;
    const two = await add('/elsewhere', { archiveSystemDir: `${dir}/output` });
    expect(await found(two)).toEqual([one.uuid]);
  });

  it('may have written where they were launched with the same output directory, and not before an instant', async () => {
    const one = await add('/writes');
    const writer = (since: string | null = null) => store.jobs.findWriter(one, since);
    const elsewhere = await add('/writes', { execSystemOutputDir: '/other', archiveSystemDir: '/other' });
    await store.jobs.bindToHost(elsewhere.uuid, 'SHA256:host');
    const two = await add('/writes');
    expect(await writer()).toBeNull();
    await store.jobs.bindToHost(two.uuid, 'SHA256:host');
    expect(await writer()).toBe(two.uuid);
    await store.jobs.record({ uuid: two.uuid, rev: 1, status: 'CANCELLED' });
    expect(await writer()).toBeNull();
    expect(await writer(one.created)).toBe(two.uuid);
    expect(await writer('2999-01-01T00:00:00.000000Z')).toBeNull();
  });

  it('are found in no time among many, whatever the name of the directory and the notes of the jobs are', async () => {
    const period = '/"'.repeat(1_500);
    for (let n = 0; n < 200; n++) await add(`/many/${n}`, { notes: { long: period.repeat(10) } });
    const one = await add(`${period}b`);
    const began = performance.now();
    expect(await found(one)).toEqual([]);
    expect(await store.jobs.findWriter(one, one.created)).toBeNull();
    expect(performance.now() - began).toBeLessThan(2_000); // a search in the texts takes more than ten seconds
  }, 60_000);
});
