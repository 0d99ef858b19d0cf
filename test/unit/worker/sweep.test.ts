import { expect, it, vi } from 'vitest';

import { createSweeper } from '../../../worker/sweep.js';
import { aPlan } from '../../support/a-plan.js';

const HERE = 'SHA256:here';
const uuid = (n: number): string => `00000000-0000-4000-8000-00000000000${n}-007`;
const use = aPlan().exec;
const job = (n: number, more: object = {}, launchedOn: string | null = HERE, status = 'FINISHED') => ({
  uuid: uuid(n), tenant: 'dev', status, launchedOn, remoteJobId: '7', plan: aPlan({ uuid: uuid(n), exec: { ...use, ...more } }),
}); // prettier-ignore

it('ends of the jobs with a row only those that its system launched on the host that speaks', async () => {
  const jobs = [
    job(1),
    job(2, { systemId: 'another-system' }),
    job(3, {}, 'SHA256:another-host'),
    job(4, {}, null), // of an older version
    job(5, {}, HERE, 'RUNNING'),
  ];
  const ended: string[] = [];
  const told: string[] = [];
  const unknown: string[] = [];
  const tags = [1, 2, 3, 4, 5, 6].map((n) => ({ installation: 'i', uuid: uuid(n) }));
  const run = vi.fn((command: { line: string }) => {
    const [found] = tags.filter((tag) => command.line.includes(tag.uuid));
    if (!found) return Promise.resolve(tags);
    ended.push(found.uuid);
    return Promise.resolve({ left: [] });
  });
  const sweep = createSweeper(
    {
      installation: 'i',
      log: { info: () => undefined, warn: () => undefined },
      openHost: () => Promise.resolve({ name: 'h', identity: () => Promise.resolve(HERE), run }),
      store: {
        jobs: {
          find: (one: string) => Promise.resolve(jobs.find((known) => known.uuid === one) ?? null),
          addEvent: (one: string) => Promise.resolve(void told.push(one)),
        },
        orphans: {
          restoredAt: () => Promise.resolve(null),
          saveSeen: (_place: unknown, seen: { uuid: string }[]) => {
            unknown.push(...seen.map((one) => one.uuid));
            return Promise.resolve({ fresh: [], toEnd: [] });
          },
        },
        watch: {
          newestJobs: () => Promise.resolve([job(1)]),
          liveJobs: () =>
            Promise.resolve([{ uuid: uuid(5), remoteJobId: '7', keeper: 'process', launchedOn: HERE }]),
        },
      },
    } as unknown as Parameters<typeof createSweeper>[0],
    0,
  );
  await sweep();
  expect(ended).toEqual([]); // nothing at its first look
  await sweep();
  expect(ended.toSorted()).toEqual([uuid(1), uuid(4)]);
  expect(told.toSorted()).toEqual([uuid(1), uuid(4)]);
  expect(new Set(unknown)).toEqual(new Set([uuid(6)])); // it has no row, and an operator decides
});
