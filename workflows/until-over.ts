import type { Outcome } from '../domain/jobs/outcome.js';
import { awaitRemoteEnd, stopRemote } from './activities.js';
import { holdUntilResumed } from './hold-until-resumed.js';
import type { JobControl } from './job-control.js';
import { lookUntil } from './look-until.js';

/**
 * Waits for the end of the remote run. A pause stops the run where the host allows it; the time spent paused does not
 * count towards maxMinutes.
 */
export async function untilOver(job: JobControl): Promise<Outcome> {
  const over = await lookUntil(
    job,
    () => job.step(awaitRemoteEnd),
    () => pausedRun(job),
  );
  if (over.expired) await stopRemote(job.uuid);
  return over;
}

async function pausedRun(job: JobControl): Promise<void> {
  const pausedMs = await holdUntilResumed(job);
  await job.record('RUNNING', { pausedMs });
}
