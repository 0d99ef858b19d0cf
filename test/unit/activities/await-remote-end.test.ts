import { MockActivityEnvironment } from '@temporalio/testing';
import { expect, it } from 'vitest';

import { awaitRemoteEnd } from '../../../activities/await-remote-end.js';
import type { Deps } from '../../../activities/deps.js';
import { createHints } from '../../../activities/hints.js';
import type { RemoteState } from '../../../domain/jobs/remote.js';
import { aPlan } from '../../support/a-plan.js';

/** A job whose time is up by our clock; the watcher's last look saw it run, the host itself says what is given. */
function atItsLimit(says: RemoteState): Deps {
  const job = {
    uuid: 'u', tenant: 'dev', plan: aPlan({ maxMinutes: 1 }), remoteJobId: '7', pausedMs: 0, remoteChecksSuccess: 1,
    remoteChecksFailed: 0, remoteStarted: new Date(Date.now() - 60_100).toISOString(),
  }; // prettier-ignore
  return {
    hints: createHints(),
    installation: 'i',
    openHost: () => Promise.resolve({ name: 'h', run: () => Promise.resolve(says) }),
    schedulers: { process: { settle: () => ({}) }, docker: { settle: () => ({}) } },
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
}

const look = (deps: Deps) => new MockActivityEnvironment({ attempt: 2 }).run(() => awaitRemoteEnd(deps, 'u'));

it('asks the host before a run is ended by its time: it may have ended in time, and nobody told of it', async () => {
  expect(await look(atItsLimit({ is: 'over', exitCode: 0 }))).toMatchObject({
    expired: false,
    remoteOutcome: 'FINISHED',
  });
});

it('ends a run that the host still has by its time', async () => {
  expect(await look(atItsLimit({ is: 'running' }))).toMatchObject({
    expired: true,
    condition: 'JOB_EXECUTION_MONITORING_TIMEOUT',
  });
});
