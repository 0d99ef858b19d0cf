import { WorkflowNotFoundError, type Client } from '@temporalio/client';

import type { Deps } from '../activities/deps.js';
import { isActive, isTerminal, type ActiveStatus } from '../domain/jobs/status.js';
import type { Job } from '../domain/jobs/job.js';
import type { Ticket } from '../domain/jobs/ticket.js';

const QUIET_MS = 5_000;
/** Of each turn in a pass. A row that was not started, or whose cancel was not sent, should not wait for all others. */
const BATCH = { urgent: 100, others: 50 };

/** A position before all rows. */
const FIRST = { turn: 0, id: 0 };

type Start = (ticket: Ticket, job: Job) => Promise<void>;

/**
 * Mends what a crash left between the row and Temporal: a live row without a workflow gets one again, which adopts
 * what runs; a cancel that could not be sent is sent. A pass asks Temporal about some of the quiet jobs and the next one
 * about those behind them, so its cost does not grow with their number: the first of each owner, then the second of each.
 * Where one is missing more may be, and it goes on at once. Safe with several workers: starting twice starts once.
 * @returns a pass, which tells how many it mended
 */
export function createReconciler(
  deps: Pick<Deps, 'store' | 'log'>,
  client: Client,
  start: Start,
): () => Promise<number> {
  const passed = { urgent: FIRST, others: FIRST };
  const turn = async (which: 'urgent' | 'others'): Promise<number> => {
    const rows = await deps.store.jobs.quiet(QUIET_MS, {
      isUrgent: which === 'urgent',
      after: passed[which],
      limit: BATCH[which],
    });
    let mended = 0;
    for (const row of rows) {
      // before it is looked at: a job that cannot be mended must not hold up those behind it
      passed[which] = { turn: row.turn, id: row.id };
      if (await mend(deps, client, start, row)) mended++;
    }
    if (rows.length < BATCH[which]) passed[which] = FIRST;
    return mended > 0 && passed[which] !== FIRST ? mended + (await turn(which)) : mended;
  };
  const pass = async (): Promise<number> => (await turn('urgent')) + (await turn('others'));
  let underWay: Promise<number> | null = null; // Temporal may take longer than the time between two
  return () => (underWay ??= pass().finally(() => (underWay = null)));
}

async function mend(
  { store, log }: Pick<Deps, 'store' | 'log'>,
  client: Client,
  start: Start,
  { uuid, cancelRequested }: { uuid: string; cancelRequested: boolean },
): Promise<boolean> {
  const handle = client.workflow.getHandle(uuid);
  const isLost = !(await isRunning(handle));
  if (isLost) {
    const job = await store.jobs.get(uuid);
    if (isTerminal(job.status)) return false; // it ended while others were looked at: nothing of it begins again
    await start(ticketOf(job, await heldSince(store, job)), job);
    log.info({ uuid }, 'a job without a workflow was started again from its row');
  }
  if (cancelRequested) await handle.cancel();
  return isLost;
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

type Standing = Pick<Job, 'uuid' | 'rev' | 'status' | 'remoteJobId' | 'remoteStarted' | 'remoteOutcome'>;

/** Where to take the job up again: what was launched is followed, everything before is safe to repeat. */
const ticketOf = (job: Standing, held: number | null): Ticket => ({
  uuid: job.uuid,
  rev: job.rev,
  from: standing(job),
  ...(job.status === 'PAUSED' ? { isPaused: true } : {}),
  // a launch that ran is told of by the step after it
  ...(isActive(job.status) && job.status !== 'SUBMITTING_JOB' ? {} : { mayRun: true }),
  ...(held === null ? {} : { heldSince: held }),
});

/**
 * Since when the run may be held: it is let go at the resume, and what it was held for is none of its time. It is held yet
 * where it became BLOCKED after it was PAUSED: the host was away when it should go on.
 */
async function heldSince({ jobs }: Deps['store'], job: Standing): Promise<number | null> {
  if (job.remoteJobId === null || (job.status !== 'PAUSED' && job.status !== 'BLOCKED')) return null;
  const moves = (await jobs.events(job.uuid, -1, 0)).filter(({ event }) => event === 'JOB_NEW_STATUS');
  const last = moves.findLastIndex(
    ({ eventDetail }) => eventDetail !== 'PAUSED' && eventDetail !== 'BLOCKED',
  );
  const pause = moves.slice(last + 1).find(({ eventDetail }) => eventDetail === 'PAUSED');
  return pause ? Date.parse(pause.created) : null;
}

const standing = ({ status, remoteJobId, remoteStarted, remoteOutcome }: Standing): ActiveStatus => {
  if (remoteOutcome !== null) return 'RUNNING'; // the outcome is read again, then archived
  if (isActive(status)) return status;
  if (remoteStarted !== null) return 'RUNNING';
  // its time does not run before it has started; and what waits for a place has none yet
  return remoteJobId !== null ? 'QUEUED' : 'PENDING';
};
