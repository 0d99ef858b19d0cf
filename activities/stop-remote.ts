import { ApplicationFailure } from '@temporalio/common';

import { KilimError } from '../domain/errors.js';
import type { Deps } from './deps.js';
import { openExecHost } from './exec-host.js';

/**
 * Ends everything of the job on its host and verifies that nothing is left; what it waits for becomes the job's message.
 * Safe to repeat.
 * @throws ApplicationFailure HOST_* and REMOTE_COMMAND_FAILED naming what is left: the caller tries again
 */
export async function stopRemote(deps: Deps, uuid: string): Promise<void> {
  const { store, schedulers, installation } = deps;
  const job = await store.jobs.get(uuid);
  try {
    const host = await openExecHost(deps, job, { evenDisabled: true });
    const { left } = await host.run(
      schedulers[job.plan.keeper].cancel(job.plan, job.remoteJobId, installation),
    );
    if (left.length > 0)
      throw new KilimError('REMOTE_COMMAND_FAILED', `Still running on ${host.name}: ${left.join(', ')}`);
  } catch (error) {
    if (!(error instanceof KilimError)) throw error;
    await store.jobs.setMessage(uuid, `Being ended, which is not over yet: ${error.message}`);
    // to clean up is never given up at the first failure, whatever it means elsewhere
    throw ApplicationFailure.create({ type: error.code, message: error.message });
  }
}
