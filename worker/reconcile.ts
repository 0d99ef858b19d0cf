import { WorkflowNotFoundError, type Client } from '@temporalio/client';

import type { Deps } from '../activities/deps.js';
import { isActive, type ActiveStatus } from '../domain/jobs/status.js';
import type { Job } from '../domain/jobs/job.js';
import type { Ticket } from '../domain/jobs/ticket.js';

const QUIET_MS = 5_000;
const BATCH = 200;

/**
 * Mends what a crash left between the row and Temporal: a live row without a workflow gets one again, which adopts
 * what runs; a cancel that could not be sent is sent. Safe with several workers: starting twice starts once.
 */
export async function reconcile(
  deps: Pick<Deps, 'store' | 'log'>,
  client: Client,
  start: (ticket: Ticket) => Promise<void>,
): Promise<number> {
  let mended = 0;
  for (const { uuid, cancelRequested } of await deps.store.jobs.quiet(QUIET_MS, BATCH)) {
    const handle = client.workflow.getHandle(uuid);
    if (!(await isRunning(handle))) {
      await start(ticketOf(await deps.store.jobs.get(uuid)));
      deps.log.info({ uuid }, 'a job without a workflow was started again from its row');
      mended++;
    }
    if (cancelRequested) await handle.cancel();
  }
  return mended;
}

const isRunning = async (handle: {
  describe: () => Promise<{ status: { name: string } }>;
}): Promise<boolean> => {
  try {
    return (await handle.describe()).status.name === 'RUNNING';
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return false;
    throw error;
  }
};

/** Where to take the job up again: what was launched is followed, everything before is safe to repeat. */
export const ticketOf = (
  job: Pick<Job, 'uuid' | 'rev' | 'status' | 'remoteJobId' | 'remoteOutcome'>,
): Ticket => ({
  uuid: job.uuid,
  rev: job.rev,
  from: standing(job),
});

const standing = ({
  status,
  remoteJobId,
  remoteOutcome,
}: Pick<Job, 'status' | 'remoteJobId' | 'remoteOutcome'>): ActiveStatus => {
  if (remoteOutcome !== null) return 'RUNNING'; // the outcome is read again, then archived
  if (isActive(status)) return status;
  return remoteJobId !== null ? 'RUNNING' : 'PROCESSING_INPUTS';
};
