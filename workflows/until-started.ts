import type { Outcome } from '../domain/jobs/outcome.js';
import type { Submitted } from '../domain/jobs/ticket.js';
import { awaitRemoteStart } from './activities.js';
import { holdUntilResumed } from './hold-until-resumed.js';
import type { JobControl } from './job-control.js';
import { lookUntil } from './look-until.js';

/**
 * Waits until the scheduler has started the job, or it is over already. A pause holds it in the queue. Where nobody
 * queues there is nothing to wait for; after a lost workflow the host is asked.
 * @returns how it ended, where it did at once
 */
export async function untilStarted(
  job: JobControl,
  submitted: Submitted | undefined,
): Promise<Outcome | undefined> {
  job.setRemoteId(submitted);
  if (submitted && !submitted.isQueued) return undefined;
  const look = async () => ({ outcome: await job.step(awaitRemoteStart) });
  const { outcome } = await lookUntil(job, look, () => pausedInQueue(job));
  return outcome ?? undefined; // earlier builds answered nothing
}

async function pausedInQueue(job: JobControl): Promise<void> {
  await holdUntilResumed(job);
  await job.record('QUEUED');
}
