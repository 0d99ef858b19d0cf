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
  const found = async (plan: JobPlan, since: string | null = null) =>
    (await store.jobs.findSharers(plan, since)).map(({ uuid }) => uuid);

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

  it('are those of the tenant that have not ended, or have ended since an instant, and say what was launched', async () => {
    const one = await add('/ends');
    const two = await add('/ends');
    await add('/ends', { tenant: 'other' });
    await store.jobs.bindToHost(two.uuid, 'SHA256:host');
    expect(await store.jobs.findSharers(one, null)).toEqual([
      { uuid: two.uuid, isLaunched: true, dirs: expect.arrayContaining([{ role: 'execSystemExecDir', systemId: one.exec.systemId, dir: '/ends' }]) as unknown },
    ]); // prettier-ignore
    await store.jobs.record({ uuid: two.uuid, rev: 1, status: 'CANCELLED' });
    expect(await found(one)).toEqual([]);
    expect(await found(one, one.created)).toEqual([two.uuid]);
    expect(await found(one, '2999-01-01T00:00:00.000000Z')).toEqual([]);
  });
});
