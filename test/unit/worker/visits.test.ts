import { MockActivityEnvironment } from '@temporalio/testing';
import { expect, it } from 'vitest';

import type { SystemUse } from '../../../domain/jobs/job-plan.js';
import { askedFor } from '../../../hosts/asked-for.js';
import type { Host } from '../../../hosts/host.js';
import type { Store } from '../../../store/store.js';
import { createPlaces } from '../../../worker/places.js';
import { createVisits } from '../../../worker/visits.js';
import { aPlan } from '../../support/a-plan.js';

const use = (host: string): SystemUse => ({ ...aPlan().exec, host, port: 22 });

/** A worker with so many places; `opened` lists the users for whom its hosts were opened. */
function aWorker(places: number) {
  const opened: string[] = [];
  const store = {
    jobs: { getPlan: (uuid: string) => Promise.resolve(aPlan({ owner: uuid.split(' ')[0] ?? '' })) },
  } as unknown as Store;
  const openHost = (): Promise<Host> => {
    opened.push(askedFor());
    return Promise.resolve({ name: 'h' } as Host);
  };
  const visits = createVisits({ openHost, store }, createPlaces(places));
  /** Runs an activity of a job; the job is called by its owner. */
  const run = <T>(
    job: string,
    work: (open: (host: string) => Promise<Host>) => Promise<T>,
    activityType = 'stageJob',
  ): Promise<T> =>
    new MockActivityEnvironment({ activityType, workflowExecution: { workflowId: job, runId: 'r' } }).run(
      () =>
        visits
          .interceptor()
          .execute?.({ args: [], headers: {} }, () =>
            work((host) => visits.openHost('dev', use(host))),
          ) as Promise<T>,
    );
  return { run, opened };
}

/** Activities that have opened a host and go on until they are released. */
function held(run: ReturnType<typeof aWorker>['run'], jobs: string[], host: string) {
  let letGo: () => void = () => undefined;
  const until = new Promise<void>((resolve) => (letGo = resolve));
  const ends = jobs.map((job) => run(job, async (open) => (await open(host), until)));
  return { ends, letGo };
}

const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 20));

it('refuses an activity whose host has no place left, and takes no place for the refusal', async () => {
  const { run } = aWorker(40); // seven places are for first steps at one host, and five of these for one user
  const { ends, letGo } = held(run, ['alice 1', 'alice 2', 'alice 3', 'alice 4', 'alice 5'], 'hung');
  await settled();
  const late = run('alice 6', (open) => open('hung'));
  await expect(late).rejects.toMatchObject({
    type: 'NOT_YET',
    nonRetryable: false,
    nextRetryDelay: expect.any(Number) as number,
  });
  await run('alice 7', (open) => open('elsewhere'));
  await run('bob 1', (open) => open('hung'));
  letGo();
  await Promise.all(ends);
  await run('alice 6', (open) => open('hung'));
});

it('gives the place back when the activity fails', async () => {
  const { run } = aWorker(8); // one place is for first steps at one host
  for (let i = 0; i < 3; i++)
    await expect(
      run('alice 1', async (open) => {
        await open('host');
        throw new Error('it failed');
      }),
    ).rejects.toThrow('it failed');
});

it('does not refuse further hosts to an activity that has a place', async () => {
  const { run } = aWorker(40);
  const { ends, letGo } = held(run, ['alice 1', 'alice 2', 'alice 3', 'alice 4', 'alice 5'], 'hung');
  await settled();
  await run('alice 6', async (open) => {
    await open('elsewhere');
    await open('hung');
  });
  letGo();
  await Promise.all(ends);
});

it('tells the hosts for which user an activity asks, and needs no place for watchers of hosts', async () => {
  const { run, opened } = aWorker(40);
  await run('alice 1', (open) => open('host'));
  await run('watch:dev:host', (open) => open('host'), 'watchHost');
  expect(opened).toEqual(['dev:alice', '']);
});
