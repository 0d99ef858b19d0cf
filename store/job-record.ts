import { DEFAULT_CONDITION } from '../domain/jobs/condition.js';
import type { Job, StatusRecord } from '../domain/jobs/job.js';
import { canMove, isTerminal, type JobStatus } from '../domain/jobs/status.js';
import { KilimError } from '../domain/errors.js';
import type { Db } from './database.js';
import { isPostgres } from './dialects.js';
import { JOB_COLUMNS } from './job-columns.js';
import { addEvent, toJob } from './job-rows.js';
import { now } from './now.js';
import { freePlaces } from './reservations.js';
import { endSharedDirs } from './sharers.js';
import { clip } from './texts.js';

/** One record of the workflow, in one transaction with its event; a late or illegal one changes nothing. */
export async function recordStatus(db: Db, record: StatusRecord): Promise<{ job: Job; freed: string[] }> {
  return db.transaction().execute(async (trx) => {
    const ofJob = trx.selectFrom('jobs').select(JOB_COLUMNS).where('uuid', '=', record.uuid);
    // SQLite has the whole file since the transaction's begin
    const row = await (isPostgres(trx) ? ofJob.forUpdate() : ofJob).executeTakeFirst();
    if (!row) throw new KilimError('JOB_NOT_FOUND', `Job ${record.uuid} was not found.`);
    const before = toJob(row);
    if (record.rev <= before.rev || !isLegal(before.status, record.status)) return { job: before, freed: [] };
    const at = now();
    const { status } = record;
    const ends = isTerminal(status);
    const message = clip(record.message ?? `Setting job status to ${status}.`);
    const condition =
      before.condition ?? record.condition ?? (isTerminal(status) ? DEFAULT_CONDITION[status] : null);
    const change = {
      status,
      rev: record.rev,
      last_message: message,
      last_updated: at,
      // told to nobody before the end: null while active (jobs §5.5)
      condition,
      ...(ends ? { ended: at } : {}),
      ...(status === 'BLOCKED' && before.status !== 'BLOCKED'
        ? { blocked_count: before.blockedCount + 1 }
        : {}),
      ...(status === 'QUEUED' && !before.remoteSubmitted ? { remote_submitted: at } : {}),
      ...(status === 'RUNNING' && !before.remoteStarted ? { remote_started: at } : {}),
      ...(record.remoteOutcome && !before.remoteOutcome
        ? { remote_outcome: record.remoteOutcome, remote_ended: at }
        : {}),
      ...(record.remoteResultInfo !== undefined ? { remote_result_info: clip(record.remoteResultInfo) } : {}),
      ...(record.archived !== undefined ? { archived: record.archived ? 1 : 0 } : {}),
      ...(record.pausedMs ? { paused_ms: before.pausedMs + record.pausedMs } : {}),
    };
    await trx.updateTable('jobs').set(change).where('uuid', '=', record.uuid).execute();
    // the error comes before the status that ends the job (jobs §5.8)
    if (status === 'FAILED')
      await addEvent(trx, before.plan, 'JOB_ERROR_MESSAGE', 'FAILED', { message, jobStatus: status });
    const job = toJob({ ...row, ...change });
    await addEvent(trx, before.plan, 'JOB_NEW_STATUS', status, {
      message,
      newJobStatus: status,
      oldJobStatus: before.status,
      ...(ends ? endData(job) : {}),
    });
    if (ends) await endSharedDirs(trx, before.plan, at);
    const freed = ends || status === 'BLOCKED' ? await freePlaces(trx, record.uuid, ends) : [];
    return { job, freed };
  });
}

/** The table's moves; and a job that waits may say anew why. */
const isLegal = (from: JobStatus, to: JobStatus): boolean =>
  canMove(from, to) || (from === to && !isTerminal(from));

const endData = (job: Job): Record<string, unknown> => ({
  blockedCount: job.blockedCount,
  condition: job.condition,
  remoteJobId: job.remoteJobId,
  remoteJobId2: job.remoteJobId2,
  remoteOutcome: job.remoteOutcome,
  remoteResultInfo: job.remoteResultInfo,
  remoteQueue: job.remoteQueue,
  remoteSubmitted: job.remoteSubmitted,
  remoteStarted: job.remoteStarted,
  remoteEnded: job.remoteEnded,
});
