import { CancellationScope, isCancellation, patched } from '@temporalio/workflow';

import type { JobCondition } from '../domain/jobs/condition.js';
import { meaningOf } from '../domain/errors.js';
import type { JobStatus } from '../domain/jobs/status.js';
import type { JobEnd } from '../domain/jobs/ticket.js';
import { stopRemote, tidyRemote } from './activities.js';
import { failureOf } from './failure.js';
import type { JobControl } from './job-control.js';

/** The condition of a job that failed in a phase, where the error has none of its own (specification: jobs §5.3). */
const CONDITION_OF: Partial<Record<JobStatus, JobCondition>> = {
  PROCESSING_INPUTS: 'JOB_REMOTE_ACCESS_ERROR',
  STAGING_INPUTS: 'JOB_UNABLE_TO_STAGE_INPUTS',
  STAGING_JOB: 'JOB_UNABLE_TO_STAGE_JOB',
  SUBMITTING_JOB: 'JOB_LAUNCH_FAILURE',
  QUEUED: 'JOB_QUEUE_MONITORING_ERROR',
  RUNNING: 'JOB_EXECUTION_MONITORING_ERROR',
  ARCHIVING: 'JOB_ARCHIVING_FAILED',
};

/** Stops what still runs, then CANCELLED (Temporal: Canceled) or FAILED (Temporal: Completed, the engine did its work). */
export async function giveUp(job: JobControl, error: unknown): Promise<JobEnd> {
  const isCancelled = isCancellation(error);
  const at = job.currentStatus();
  const end = await CancellationScope.nonCancellable(async (): Promise<JobEnd> => {
    const orphan = await stopped(job);
    if (isCancelled) {
      await job.record('CANCELLED', {
        condition: 'CANCELLED_BY_USER',
        message: `Cancelled at the user's request.${orphan}`,
      });
      return { status: 'CANCELLED', condition: 'CANCELLED_BY_USER' };
    }
    const { code, message } = failureOf(error);
    const condition = meaningOf(code).condition ?? CONDITION_OF[at] ?? 'JOB_INTERNAL_ERROR';
    await job.record('FAILED', { condition, message: `${message}${orphan}` });
    return { status: 'FAILED', condition };
  });
  if (isCancelled) throw error;
  return end;
}

/** Empty when nothing of the job is left on its host; else a sentence that names the danger. */
async function stopped(job: JobControl): Promise<string> {
  // staging has written the environment file, which stopRemote removes
  const isStaged = job.state.wasStaged && patched('end-staged');
  if (!job.state.wasLaunched && !isStaged) return '';
  try {
    job.showEnding();
    await (job.state.wasLaunched ? stopRemote : tidyRemote)(job.uuid);
    return '';
  } catch (error) {
    if (!job.state.wasLaunched)
      return " It was never launched. Its host gave no answer in time, so that the job's environment file stays in its directory there.";
    return ` Warning: it could not be verified that nothing runs any more: ${failureOf(error).message}`;
  }
}
