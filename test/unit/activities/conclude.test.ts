import { expect, it, vi } from 'vitest';

import { conclude } from '../../../activities/conclude.js';
import type { Deps } from '../../../activities/deps.js';
import { notYet } from '../../../activities/not-yet.js';
import { KilimError } from '../../../domain/errors.js';
import type { Job } from '../../../domain/jobs/job.js';
import { aPlan } from '../../support/a-plan.js';

/** A job that may be started again and that ended well, on a host that cannot be opened. */
function anEnd(error: Error) {
  const plan = aPlan({ repeatable: true });
  const warn = vi.fn();
  const deps = {
    openHost: () => Promise.reject(error),
    log: { warn },
    store: { jobs: { setRemoteEnd: () => Promise.resolve() } },
  } as unknown as Deps;
  const job = { uuid: plan.uuid, tenant: 'dev', plan, remoteJobId: '7', launchedOn: 'h' } as Job;
  return { ended: conclude(deps, job, { is: 'over', exitCode: 0 }), warn };
}

it('leaves no environment file behind because the host had no place for the step: the step is repeated', async () => {
  await expect(anEnd(notYet('many jobs turn to the host', 100)).ended).rejects.toMatchObject({
    type: 'NOT_YET',
  });
});

it('ends a job all the same whose host does not answer, and logs that the environment file is left', async () => {
  const { ended, warn } = anEnd(new KilimError('HOST_UNREACHABLE', 'it is down'));
  expect(await ended).toMatchObject({ remoteOutcome: 'FINISHED' });
  expect(warn).toHaveBeenCalledOnce();
});
