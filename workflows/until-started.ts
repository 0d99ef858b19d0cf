import type { Submitted } from '../domain/jobs/ticket.js';
import { awaitRemoteStart, holdRemote, releaseRemote } from './activities.js';
import type { JobControl } from './job-control.js';
import { lookUntil } from './look-until.js';

/**
 * Waits until the scheduler has started the job, or it is over already. A pause holds it in the queue. Where nobody
 * queues there is nothing to wait for; after a lost workflow the host is asked.
 */
export async function untilStarted(job: JobControl, submitted: Submitted | undefined): Promise<void> {
  job.setRemoteId(submitted);
  if (submitted && !submitted.isQueued) return;
  const look = async (): Promise<object> => {
    await job.step(awaitRemoteStart);
    return {};
  };
  await lookUntil(job, look, () => pausedInQueue(job));
}

async function pausedInQueue(job: JobControl): Promise<void> {
  const held = await holdRemote(job.uuid);
  await job.pausePoint(held.said);
  if (held.done) await releaseRemote(job.uuid);
  await job.record('QUEUED');
}
