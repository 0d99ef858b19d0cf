import { expect, it, vi } from 'vitest';

import type { OrphanStore } from '../../../store/orphan-store.js';
import { createSweeper } from '../../../worker/sweep.js';
import { aPlan } from '../../support/a-plan.js';

const HERE = 'SHA256:here';
const uuid = (n: number): string => `00000000-0000-4000-8000-00000000000${n}-007`;
const use = aPlan().exec;
const job = (n: number, more: object = {}, launchedOn: string | null = HERE, status = 'FINISHED') => ({
  uuid: uuid(n), tenant: 'dev', status, launchedOn, remoteJobId: '7', plan: aPlan({ uuid: uuid(n), exec: { ...use, ...more } }),
}); // prettier-ignore

it('ends, of the jobs with a row, only those that the system launched on the host that answers', async () => {
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

it('asks the store about a thousand jobs and reports ten thousand tags at most, however many a host makes up', async () => {
  const id = (n: number) => `${String(n).padStart(8, '0')}-0000-4000-8000-000000000000-007`;
  const tagsOf = (installation: string, count: number) =>
    Array.from({ length: count }, (_, n) => ({ installation, uuid: id(n), what: 'process 1' }));
  const find = vi.fn(() => Promise.resolve(null));
  const info = vi.fn();
  const saveSeen = vi.fn<OrphanStore['saveSeen']>(() => Promise.resolve({ fresh: [], toEnd: [] }));
  const run = () => Promise.resolve([...tagsOf('i', 5_000), ...tagsOf('other', 20_000)]);
  const sweep = createSweeper(
    {
      installation: 'i',
      log: { info, warn: () => undefined },
      openHost: () => Promise.resolve({ name: 'h', identity: () => Promise.resolve(HERE), run }),
      store: {
        jobs: { find },
        orphans: { restoredAt: () => Promise.resolve(null), saveSeen },
        watch: { newestJobs: () => Promise.resolve([job(1)]), liveJobs: () => Promise.resolve([]) },
      },
    } as unknown as Parameters<typeof createSweeper>[0],
    0,
  );
  await sweep();
  expect(find).toHaveBeenCalledTimes(1_000);
  expect(saveSeen.mock.calls[0]?.[1]).toHaveLength(200);
  expect(info).toHaveBeenCalledTimes(10_000);
});
