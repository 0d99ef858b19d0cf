import { PassThrough } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';

import { CancelledFailure } from '@temporalio/common';
import { MockActivityEnvironment } from '@temporalio/testing';
import { expect, it, vi } from 'vitest';

import type { Deps } from '../../../activities/deps.js';
import { createActivities } from '../../../activities/index.js';
import { createSeats, watchHost } from '../../../activities/watch-host.js';
import { watchKey, type RemoteState } from '../../../domain/jobs/remote.js';

const ticket = {
  key: 'k',
  tenant: 'dev',
  systemId: 'vm',
  host: 'h',
  port: 22,
  loginUser: 'al',
  asUser: 'al',
};

/** A host whose channel stands at once, and whose looks take a while; the run ends before the channel stands. */
function aWatch() {
  const saved: RemoteState[] = [];
  const lines = new PassThrough();
  let looks = 0;
  const host = {
    name: 'fake',
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
        liveJobs: () => Promise.resolve([{ uuid: 'u1', remoteJobId: '7', keeper: 'process' }]),
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

it('believes a host only about the jobs that live there', async () => {
  const uuid = (n: number): string => `00000000-0000-4000-8000-00000000000${n}-007`;
  const host = (name: string) => ({ tenant: 'dev', status: 'RUNNING', plan: { keeper: 'process', exec: { host: name, port: 22, loginUser: 'al' } } }); // prettier-ignore
  const jobs: Record<string, object> = { [uuid(1)]: host('h'), [uuid(2)]: host('elsewhere') };
  const { deps, lines } = aWatch();
  const told: string[] = [];
  const listed: string[] = [];
  deps.openHost = () =>
    Promise.resolve({
      name: 'fake',
      run: () => Promise.resolve(Object.fromEntries(Object.keys(jobs).map((one) => [one, { is: 'over', exitCode: 0 }]))),
      stream: (_line: string, { signal }: { signal: AbortSignal }) => {
        lines.write(['FOLLOWING', `${uuid(2)} 1 END 0 1`, `${uuid(3)} 1 END 0 1`, `${uuid(1)} 1 END 0 1`, ''].join('\n'));
        const done = new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('aborted'))));
        return Promise.resolve({ stdin: new PassThrough(), stdout: lines, done });
      },
    }) as ReturnType<Deps['openHost']>; // prettier-ignore
  deps.store = {
    jobs: { find: (one: string) => Promise.resolve(jobs[one] ?? null) },
    watch: {
      ...deps.store.watch,
      liveJobs: () => Promise.resolve([{ uuid: uuid(1), remoteJobId: '7', keeper: 'process' }]),
      saveState: (_key: string, one: string) => Promise.resolve(void told.push(one)),
      saveSnapshot: (_key: string, seen: object) => Promise.resolve(void listed.push(...Object.keys(seen))),
    },
  } as unknown as Deps['store'];
  const environment = new MockActivityEnvironment();
  const watching = environment.run(() =>
    watchHost(deps, { ...ticket, key: watchKey('dev', 'h', 22, 'al') }, createSeats()),
  );
  await vi.waitFor(() => expect([told.length, listed.length > 0]).toEqual([1, true]));
  expect(told).toEqual([uuid(1)]);
  expect(new Set(listed)).toEqual(new Set([uuid(1)]));
  environment.cancel();
  await expect(watching).rejects.toThrow(CancelledFailure);
});

it('leaves places to jobs however many hosts are watched: those beyond a hundred are looked at and left', async () => {
  const { watchHost: watching } = createActivities(aWatch().deps);
  const seats = (user: string, n: number) =>
    Array.from({ length: n }, () => {
      const environment = new MockActivityEnvironment();
      const ended = environment.run(watching, { ...ticket, asUser: user }).catch(() => undefined);
      return { ended, leave: () => environment.cancel() };
    });
  const next = (user: string) => new MockActivityEnvironment().run(watching, { ...ticket, asUser: user });
  const ofAlice = seats('alice', 50);
  // half of the seats are left to the hosts of others
  await expect(next('alice')).rejects.toMatchObject({ type: 'NOT_YET' });
  const ofBob = seats('bob', 50);
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
