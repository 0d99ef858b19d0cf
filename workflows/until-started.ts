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
  let words = '';
  for (let told = 0; ; told++) {
    const look = async () => ({
      seen: await job.step((uuid, untold) =>
        awaitRemoteStart(uuid, untold, ...(told < MOST_REASONS ? [words] : [])),
      ),
    });
    const { seen } = await lookUntil(job, look, async () => {
      await pausedInQueue(job);
      words = '';
    });
    if (!seen) return undefined; // earlier builds answered nothing
    if (!('waits' in seen)) return seen;
    words = seen.waits;
    job.explain(words);
  }
}

/** Each costs the history some six events. */
const MOST_REASONS = 50;

async function pausedInQueue(job: JobControl): Promise<void> {
  await holdUntilResumed(job);
  await job.record('QUEUED');
}
