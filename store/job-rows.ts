import type { Kysely, Selectable } from 'kysely';

import type { JobCondition } from '../domain/jobs/condition.js';
import type { JobPlan } from '../domain/jobs/job-plan.js';
import type { Job, JobEvent, JobEventName, RemoteOutcome } from '../domain/jobs/job.js';
import type { Usage } from '../domain/jobs/usage.js';
import type { JobStatus } from '../domain/jobs/status.js';
import type { Database, EventsTable, JobsTable } from './database.js';
import type { JOB_COLUMNS } from './job-columns.js';
import { now } from './now.js';
import { clipJson } from './texts.js';

type JobRow = Pick<Selectable<JobsTable>, (typeof JOB_COLUMNS)[number]>;

export function toJob(row: JobRow): Job {
  const plan = JSON.parse(row.plan) as JobPlan;
  return {
    uuid: row.uuid,
    id: row.id,
    tenant: row.tenant,
    owner: row.owner,
    plan,
    status: row.status as JobStatus,
    condition: row.condition as JobCondition | null,
    lastMessage: row.last_message,
    rev: row.rev,
    cancelRequested: row.cancel_requested === 1,
    created: row.created,
    lastUpdated: row.last_updated,
    ended: row.ended,
    visible: row.visible === 1,
    blockedCount: row.blocked_count,
    remoteJobId: row.remote_job_id,
    remoteJobId2: row.remote_job_id2,
    launchedOn: row.launched_on,
    remoteOutcome: row.remote_outcome as RemoteOutcome | null,
    remoteResultInfo: row.remote_result_info,
    remoteQueue: plan.hpcQueue,
    remoteSubmitted: row.remote_submitted,
    remoteStarted: row.remote_started,
    remoteEnded: row.remote_ended,
    remoteSubmitRetries: 0,
    remoteChecksSuccess: row.remote_checks_success,
    remoteChecksFailed: row.remote_checks_failed,
    remoteLastStatusCheck: row.remote_last_status_check,
    archived: row.archived === 1,
    pausedMs: row.paused_ms,
    usage: row.used ? (JSON.parse(row.used) as Usage) : null,
    tags: plan.tags,
    notes: plan.notes,
  };
}

export const toEvent = (row: Selectable<EventsTable>): JobEvent => ({
  id: row.id,
  jobUuid: row.job_uuid,
  tenant: row.tenant,
  event: row.event as JobEventName,
  eventDetail: row.event_detail,
  description: row.description,
  created: row.created,
  transferTaskUuid: null,
  transferSummary: {},
});

/** Appends an event with the keys that all events share (specification: jobs §5.8). */
export async function addEvent(
  on: Kysely<Database>,
  plan: JobPlan,
  event: JobEventName,
  detail: string,
  data: Record<string, unknown>,
): Promise<void> {
  const description = clipJson({ jobName: plan.name, jobUuid: plan.uuid, jobOwner: plan.owner, ...data });
  await on
    .insertInto('job_events')
    .values({
      job_uuid: plan.uuid,
      tenant: plan.tenant,
      event,
      event_detail: detail.slice(0, 64),
      description,
      created: now(),
    })
    .execute();
}
