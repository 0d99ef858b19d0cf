import { PassThrough } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';

import { CancelledFailure } from '@temporalio/common';
import { MockActivityEnvironment } from '@temporalio/testing';
import { expect, it, vi } from 'vitest';

import type { Deps } from '../../../activities/deps.js';
import { createActivities } from '../../../activities/index.js';
import { createSeats, watchHost } from '../../../activities/watch-host.js';
import type { RemoteState } from '../../../domain/jobs/remote.js';
import { watchTicketOf } from '../../../domain/jobs/ticket.js';

const use = { systemId: 'vm', host: 'h', port: 22, loginUser: 'al', asUser: 'al' };
const ticket = watchTicketOf('dev', use);
const HERE = 'SHA256:here';

/** A host whose channel stands at once, and whose looks take a while; the run ends before the channel stands. */
function aWatch() {
  const saved: RemoteState[] = [];
  const lines = new PassThrough();
  let looks = 0;
  const host = {
    name: 'fake',
    identity: () => Promise.resolve(HERE),
    async run() {
      const seen = looks++ === 0 ? { is: 'running' } : { is: 'over', exitCode: 0 };
      await sleep(100);
      return { u1: seen };
    },
    stream: (_line: string, { signal }: { signal: AbortSignal }) => {
      lines.write('FOLLOWING\n');
      const done = new Promise((_, reject) => {
        signal.addEventListener('abort', () => reject(new Error('aborted')));
      });
      return Promise.resolve({ stdin: new PassThrough(), stdout: lines, done });
    },
  };
  const deps = {
    installation: 'i',
    log: { warn: vi.fn() },
    openHost: () => Promise.resolve(host),
    schedulers: { process: { snapshot: () => ({}) } },
    hints: { deliver: () => true },
    engine: { hint: () => Promise.resolve() },
    store: {
      watch: {
        liveJobs: () =>
          Promise.resolve([{ uuid: 'u1', remoteJobId: '7', keeper: 'process', launchedOn: HERE }]),
        findStates: () => Promise.resolve({}),
        hasUnseen: () => Promise.resolve(false),
        saveSnapshot: (_key: string, { u1 }: { u1: RemoteState }) => Promise.resolve(void saved.push(u1)),
      },
    },
  } as unknown as Deps;
  return { deps, saved, lines, looks: () => looks };
}

it('looks again at once where the channel came up while it looked: what was written in between is on no channel', async () => {
  const { deps, saved, looks } = aWatch();
  const environment = new MockActivityEnvironment();
  const watching = environment.run(() => watchHost(deps, ticket, createSeats()));
  await vi.waitFor(() => expect(saved.at(-1)).toMatchObject({ is: 'over' }), { timeout: 3_000 });
  await sleep(300);
  expect(looks()).toBe(2); // and then no more
  environment.cancel();
  await expect(watching).rejects.toThrow(CancelledFailure);
});

it('does not call its work done where its worker is asked to end: another one goes on', async () => {
  const { deps, saved } = aWatch();
  const environment = new MockActivityEnvironment();
  const watching = environment.run(() => watchHost(deps, ticket, createSeats()));
  await vi.waitFor(() => expect(saved).not.toHaveLength(0));
  environment.cancel('WORKER_SHUTDOWN');
  await expect(watching).rejects.toThrow('WORKER_SHUTDOWN');
});

it('believes a host only about the jobs of its system and login that were launched on it', async () => {
  const uuid = (n: number): string => `00000000-0000-4000-8000-00000000000${n}-007`;
  const job = (launchedOn: string, more: object = {}) => ({ tenant: 'dev', status: 'RUNNING', launchedOn, plan: { keeper: 'process', exec: { ...use, ...more } } }); // prettier-ignore
  const jobs: Record<string, object> = {
    [uuid(1)]: job(HERE),
    [uuid(2)]: job(HERE, { systemId: 'another-system-of-this-host' }),
    [uuid(4)]: job('SHA256:elsewhere'),
    [uuid(5)]: job(HERE, { asUser: 'another user of the login name' }),
    [uuid(6)]: { ...job(HERE), tenant: 'another' },
  };
  const { deps, lines } = aWatch();
  const told: string[] = [];
  const listed: string[] = [];
  deps.openHost = () =>
    Promise.resolve({
      name: 'fake',
      identity: () => Promise.resolve(HERE),
      run: () => Promise.resolve(Object.fromEntries(Object.keys(jobs).map((one) => [one, { is: 'over', exitCode: 0 }]))),
      stream: (_line: string, { signal }: { signal: AbortSignal }) => {
        lines.write(['FOLLOWING', ...[2, 3, 4, 5, 6, 1].map((n) => `${uuid(n)} 1 END 0 1`), ''].join('\n'));
        const done = new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('aborted'))));
        return Promise.resolve({ stdin: new PassThrough(), stdout: lines, done });
      },
    }) as ReturnType<Deps['openHost']>; // prettier-ignore
  deps.store = {
    jobs: { find: (one: string) => Promise.resolve(jobs[one] ?? null) },
    watch: {
      ...deps.store.watch,
      liveJobs: () =>
        Promise.resolve([
          { uuid: uuid(1), remoteJobId: '7', keeper: 'process', launchedOn: HERE },
          { uuid: uuid(4), remoteJobId: '8', keeper: 'process', launchedOn: 'SHA256:elsewhere' },
          { uuid: uuid(7), remoteJobId: null, keeper: 'process', launchedOn: null },
        ]),
      tellQueued: () => Promise.resolve(),
      saveState: (_key: string, one: string) => Promise.resolve(void told.push(one)),
      saveSnapshot: (_key: string, seen: Record<string, RemoteState>) =>
        Promise.resolve(void listed.push(...Object.entries(seen).map(([one, { is }]) => `${one} ${is}`))),
    },
  } as unknown as Deps['store'];
  const environment = new MockActivityEnvironment();
  const watching = environment.run(() => watchHost(deps, ticket, createSeats()));
  await vi.waitFor(() => expect([told.length, listed.length > 0]).toEqual([1, true]));
  expect(told).toEqual([uuid(1)]);
  // the job that was launched elsewhere asks its own host; nothing is known of one that is not launched yet
  expect(new Set(listed)).toEqual(new Set([`${uuid(1)} over`, `${uuid(4)} unknown`]));
  environment.cancel();
  await expect(watching).rejects.toThrow(CancelledFailure);
});

it('keeps what each list of a host says of its jobs, where a system has a queue and jobs beside it', async () => {
  const { deps } = aWatch();
  const listed: Record<string, RemoteState>[] = [];
  const lists: Record<string, object> = {
    process: { forked: { is: 'running' } },
    slurm: { batch: { is: 'queued', reason: 'Priority' } },
  };
  const open = deps.openHost;
  deps.openHost = async (...use) => ({
    ...(await open(...use)),
    run: (command: unknown) => Promise.resolve({ ...lists[String(command)] }) as Promise<never>,
  });
  Object.assign(deps, {
    schedulers: Object.fromEntries(Object.keys(lists).map((name) => [name, { snapshot: () => name }])),
  });
  Object.assign(deps.store.watch, {
    liveJobs: () =>
      Promise.resolve([
        { uuid: 'forked', remoteJobId: '7', keeper: 'process', launchedOn: HERE },
        { uuid: 'batch', remoteJobId: '8', keeper: 'slurm', launchedOn: HERE },
        { uuid: 'coming', remoteJobId: null, keeper: 'process', launchedOn: HERE },
      ]),
    tellQueued: () => Promise.resolve(),
    saveSnapshot: (_key: string, seen: Record<string, RemoteState>) =>
      Promise.resolve(void listed.push(seen)),
  });
  const environment = new MockActivityEnvironment();
  const watching = environment.run(() => watchHost(deps, ticket, createSeats()));
  await vi.waitFor(() => expect(listed).not.toHaveLength(0));
  expect(listed[0]).toEqual({ ...lists['process'], ...lists['slurm'] });
  environment.cancel();
  await expect(watching).rejects.toThrow(CancelledFailure);
});

it('ends at once with a ticket of an older version: its jobs have other keys now', async () => {
  const { deps, looks } = aWatch();
  const older = { ...use, tenant: 'dev', key: 'watch:dev:h:22:al' };
  await new MockActivityEnvironment().run(() => watchHost(deps, older, createSeats()));
  expect(looks()).toBe(0);
});

it('leaves places to jobs however many hosts are watched: those beyond a hundred are looked at and left', async () => {
  const { watchHost: watching } = createActivities(aWatch().deps);
  const seats = (user: string, n: number, tenant = 'dev') =>
    Array.from({ length: n }, () => {
      const environment = new MockActivityEnvironment();
      const ended = environment
        .run(watching, watchTicketOf(tenant, { ...ticket, asUser: user }))
        .catch(() => undefined);
      return { ended, leave: () => environment.cancel() };
    });
  const next = (user: string) =>
    new MockActivityEnvironment().run(watching, watchTicketOf('dev', { ...ticket, asUser: user }));
  const ofAlice = seats('alice', 50);
  // the other half of the seats is left to the hosts of other users
  await expect(next('alice')).rejects.toMatchObject({ type: 'NOT_YET' });
  const ofBob = [...seats('bob', 49), ...seats('alice', 1, 'another')];
  await expect(next('carol')).rejects.toMatchObject({ type: 'NOT_YET' });
  ofAlice[0]?.leave();
  await ofAlice[0]?.ended;
  const ofCarol = seats('carol', 1);
  await expect(next('dave')).rejects.toMatchObject({ type: 'NOT_YET' });
  const all = [...ofAlice, ...ofBob, ...ofCarol];
  all.forEach(({ leave }) => leave());
  await Promise.all(all.map(({ ended }) => ended));
});

it('watches on where a job comes while it is about to end', async () => {
  const { deps, saved } = aWatch();
  let asked = 0;
  const one = await deps.store.watch.liveJobs('k');
  deps.store.watch.liveJobs = () => Promise.resolve(asked++ === 0 ? [] : one);
  const open = deps.openHost;
  deps.openHost = async (...use) => {
    const host = await open(...use);
    const stream = host.stream;
    host.stream = async (...words) => {
      await sleep(50);
      // the time of waiting without any job is up just when one is new
      vi.spyOn(performance, 'now').mockReturnValue(performance.now() + 11 * 60_000);
      return stream(...words);
    };
    return host;
  };
  const environment = new MockActivityEnvironment();
  const watching = environment.run(() => watchHost(deps, ticket, createSeats()));
  await vi.waitFor(() => expect(saved).not.toHaveLength(0), { timeout: 3_000 });
  environment.cancel();
  await expect(watching).rejects.toThrow(CancelledFailure);
});
