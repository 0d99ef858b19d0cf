import { MockActivityEnvironment } from '@temporalio/testing';
import { expect, it } from 'vitest';

import { awaitRemoteEnd } from '../../../activities/await-remote-end.js';
import type { Deps } from '../../../activities/deps.js';
import { createHints } from '../../../activities/hints.js';
import type { RemoteState } from '../../../domain/jobs/remote.js';
import { watchTicketOf, type WatchTicket } from '../../../domain/jobs/ticket.js';
import { aPlan } from '../../support/a-plan.js';

/** A job whose time is up by our clock; the watcher's last look saw it run, the host itself says what is given. */
function atItsLimit(says: RemoteState, keeper: 'process' | 'slurm' = 'process', identity = 'SHA256:here') {
  const job = {
    uuid: 'u', tenant: 'dev', plan: aPlan({ maxMinutes: 1, keeper }), remoteJobId: '7', launchedOn: 'SHA256:here', pausedMs: 0, remoteChecksSuccess: 1,
    remoteChecksFailed: 0, remoteStarted: new Date(Date.now() - (keeper === 'slurm' ? 660_100 : 60_100)).toISOString(),
  }; // prettier-ignore
  const opened: unknown[] = [];
  const watched: WatchTicket[] = [];
  const deps = {
    hints: createHints(),
    installation: 'i',
    openHost: (_tenant: string, _use: unknown, options: unknown) => {
      opened.push(options);
      return Promise.resolve({
        name: 'h',
        identity: () => Promise.resolve(identity),
        run: () => Promise.resolve(says),
      });
    },
    engine: { ensureWatcher: (ticket: WatchTicket) => Promise.resolve(void watched.push(ticket)) },
    schedulers: { process: { settle: () => ({}) }, slurm: { settle: () => ({}) } },
    store: {
      jobs: {
        get: () => Promise.resolve(job),
        countCheck: () => Promise.resolve(),
        setRemoteEnd: () => Promise.resolve(),
      },
      watch: {
        findState: () => Promise.resolve({ state: { is: 'running' }, seenAt: '' }),
        snapshotAge: () => Promise.resolve(1_000),
      },
    },
  } as unknown as Deps;
  return { deps, opened, watched };
}

const aTicket = (): WatchTicket => watchTicketOf('dev', aPlan().exec);

const look = (deps: Deps) => new MockActivityEnvironment({ attempt: 2 }).run(() => awaitRemoteEnd(deps, 'u'));

it('asks the host before a run is ended by its time: it may have ended in time, and nobody told of it', async () => {
  expect(await look(atItsLimit({ is: 'over', exitCode: 0 }).deps)).toMatchObject({
    expired: false,
    remoteOutcome: 'FINISHED',
  });
});

it('ends a run that the host still has by its time', async () => {
  expect(await look(atItsLimit({ is: 'running' }).deps)).toMatchObject({
    expired: true,
    condition: 'JOB_EXECUTION_MONITORING_TIMEOUT',
  });
});

it.each<[string, RemoteState]>([
  ['waits again after a requeue', { is: 'queued', reason: 'PENDING: BeginTime' }],
  ['was suspended by Slurm for a job that goes first', { is: 'suspended' }],
  ['has run for less by the count of Slurm', { is: 'running', ranMs: 60_000 }],
  ['ended, as its record says, while Slurm cannot tell how', { is: 'unknown', why: 'Slurm does not answer' }],
])('does not end a job whose time is up by our clock alone: one that %s', async (_words, says) => {
  await expect(look(atItsLimit(says, 'slurm').deps)).rejects.toMatchObject({ type: 'NOT_YET' });
});

it('ends a Slurm job that has run for too long by the count of Slurm', async () => {
  const { deps } = atItsLimit({ is: 'running', ranMs: 11 * 60_000 }, 'slurm');
  expect(await look(deps)).toMatchObject({ expired: true });
});

it('follows a run to its end on a system that was disabled meanwhile', async () => {
  const { deps, opened } = atItsLimit({ is: 'over', exitCode: 0 });
  await look(deps);
  expect(opened).toEqual([{ evenDisabled: true }]);
});

it('believes no other host about the run, wherever its system leads now', async () => {
  const { deps } = atItsLimit({ is: 'over', exitCode: 0 }, 'process', 'SHA256:another');
  await expect(look(deps)).rejects.toMatchObject({
    code: 'HOST_KEY_CHANGED',
    message: expect.stringContaining('launched on the host with the key SHA256:here') as string,
  });
});

it('begins the watch of its host where none is', async () => {
  const { deps, watched } = atItsLimit({ is: 'over', exitCode: 0 });
  await look(deps);
  expect(watched).toEqual([]);
  deps.store.watch.snapshotAge = () => Promise.resolve(null);
  await look(deps);
  const { key, loginUser } = aTicket();
  expect(watched).toEqual([expect.objectContaining({ key, loginUser })]);
});
