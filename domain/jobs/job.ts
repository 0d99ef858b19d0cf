import type { JobCondition } from './condition.js';
import type { JobPlan } from './job-plan.js';
import type { JobStatus } from './status.js';
import type { Usage } from './usage.js';

/** A job as the store keeps it: the plan, and what happened since. Instants are ISO-8601 UTC with microseconds and `Z`. */
export interface Job {
  uuid: string;
  /** The number clients see as `id`. */
  id: number;
  tenant: string;
  owner: string;
  plan: JobPlan;
  status: JobStatus;
  condition: JobCondition | null;
  lastMessage: string;
  /** Grows with every record of the workflow; an older one never overwrites a newer. */
  rev: number;
  /** A cancel was taken; the job lives until nothing of it runs any more. */
  cancelRequested: boolean;
  created: string;
  lastUpdated: string;
  ended: string | null;
  visible: boolean;
  blockedCount: number;
  remoteJobId: string | null;
  remoteJobId2: string | null;
  /** The identity (`Host.identity`) of the host that the job was or may have been launched on; null before its launch. */
  launchedOn: string | null;
  remoteOutcome: RemoteOutcome | null;
  remoteResultInfo: string | null;
  remoteQueue: string | null;
  remoteSubmitted: string | null;
  remoteStarted: string | null;
  remoteEnded: string | null;
  remoteSubmitRetries: number;
  remoteChecksSuccess: number;
  remoteChecksFailed: number;
  remoteLastStatusCheck: string | null;
  /** The outputs are in the archive directory; only then they are served from there. */
  archived: boolean;
  /** Milliseconds spent PAUSED while running; they do not count towards maxMinutes. */
  pausedMs: number;
  /** What its run used; null before its end, and where nobody measured it. */
  usage: Usage | null;
  tags: string[];
  notes: Record<string, unknown>;
}

export type RemoteOutcome = 'FINISHED' | 'FAILED' | 'FAILED_SKIP_ARCHIVE';

/** What one record of the workflow writes, in one transaction with its event. */
export interface StatusRecord {
  uuid: string;
  rev: number;
  status: JobStatus;
  /** Absent: "Setting job status to X.". */
  message?: string;
  condition?: JobCondition;
  /** The app's outcome, where this record is the one that learnt it. */
  remoteOutcome?: RemoteOutcome;
  remoteResultInfo?: string;
  archived?: boolean;
  /** Added to the time spent paused. */
  pausedMs?: number;
}

export interface JobEvent {
  id: number;
  jobUuid: string;
  tenant: string;
  event: JobEventName;
  eventDetail: string;
  /** JSON text, at most 16,384 characters. */
  description: string;
  created: string;
  transferTaskUuid: string | null;
  transferSummary: Record<string, unknown> | null;
}

export type JobEventName =
  | 'JOB_NEW_STATUS'
  | 'JOB_INPUT_TRANSACTION_ID'
  | 'JOB_ARCHIVE_TRANSACTION_ID'
  | 'JOB_SUBSCRIPTION'
  | 'JOB_SHARE_EVENT'
  | 'JOB_ERROR_MESSAGE'
  | 'JOB_USER_EVENT';
