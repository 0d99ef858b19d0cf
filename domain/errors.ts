import { shownBytes } from './files/odd-names.js';
import { cutUrls } from './files/shown-url.js';
import type { JobCondition } from './jobs/condition.js';

/**
 * What an error code means: to a request (`http`), to a job (`condition`), and whether it may pass
 * (`recover`: the job waits in BLOCKED until the named test succeeds; specification: jobs §7.1).
 */
export interface Meaning {
  http?: number;
  condition?: JobCondition;
  recover?: RecoverySubject;
  /** Neither blocked nor failed: the engine tries again by itself. */
  retry?: true;
}

/** What is tested before a BLOCKED job goes on. */
export type RecoverySubject =
  'host' | 'login' | 'hostKey' | 'disk' | 'system' | 'app' | 'quota' | 'scheduler';

export const ERRORS = {
  // requests
  INVALID_REQUEST: { http: 400, condition: 'JOB_INVALID_DEFINITION' },
  INVALID_JSON: { http: 400 },
  BODY_TOO_LARGE: { http: 413 },
  UNSUPPORTED_MEDIA_TYPE: { http: 415 },
  BAD_CREDENTIALS: { http: 400 },
  NOT_AUTHENTICATED: { http: 401 },
  CREDENTIAL_CHECK_FAILED: { http: 401 },
  NOT_AUTHORIZED: { http: 403 },
  JOB_NOT_AUTHORIZED: { http: 401 },
  NOT_FOUND: { http: 404 },
  ROUTE_NOT_FOUND: { http: 404 },
  METHOD_NOT_ALLOWED: { http: 405 },
  JOB_NOT_FOUND: { http: 404 },
  SYSTEM_NOT_FOUND: { http: 404, condition: 'JOB_INVALID_DEFINITION' },
  APP_NOT_FOUND: { http: 404, condition: 'JOB_INVALID_DEFINITION' },
  PROFILE_NOT_FOUND: { http: 404, condition: 'JOB_INVALID_DEFINITION' },
  PATH_NOT_FOUND: { http: 404, condition: 'JOB_UNABLE_TO_STAGE_INPUTS' },
  REQUEST_TIMEOUT: { http: 408 },
  CONFLICT: { http: 409 },
  RANGE_NOT_SATISFIABLE: { http: 416 },
  TOO_MANY_REQUESTS: { http: 429 },
  /** A user has as many records as the configuration allows. */
  TOO_MANY_RECORDS: { http: 409 },
  /** The user's share of a host's transfers, or all of the host's transfers, are in use. */
  HOST_BUSY: { http: 503 },
  INTERNAL: { http: 500, condition: 'JOB_INTERNAL_ERROR' },
  STORE_UNAVAILABLE: { http: 503, retry: true },
  /** A program cannot start, and another start would fail in the same way: an operator must do something. */
  CANNOT_START: { http: 503 },
  ENGINE_UNAVAILABLE: { http: 503, retry: true },
  NOT_SUPPORTED: { http: 400, condition: 'JOB_INVALID_DEFINITION' },

  // hosts; recoverable ones block a job
  HOST_UNREACHABLE: { http: 503, recover: 'host' },
  HOST_TIMEOUT: { http: 503, recover: 'host' },
  HOST_LOGIN_REFUSED: { http: 400, recover: 'login' },
  HOST_KEY_CHANGED: { http: 400, recover: 'hostKey' },
  /** The link broke after the command was sent: nobody knows whether it ran. */
  OUTCOME_UNKNOWN: { http: 503, recover: 'host' },
  DISK_FULL: { http: 400, recover: 'disk', condition: 'JOB_REMOTE_ACCESS_ERROR' },
  SYSTEM_NOT_AVAILABLE: { http: 400, recover: 'system' },
  APPLICATION_NOT_AVAILABLE: { http: 400, recover: 'app' },
  QUOTA_EXCEEDED: { http: 400, recover: 'quota' },
  REMOTE_ACCESS_DENIED: { http: 403, condition: 'JOB_REMOTE_ACCESS_ERROR' },
  REMOTE_COMMAND_FAILED: { http: 400, condition: 'JOB_REMOTE_ACCESS_ERROR' },
  PATH_INVALID: { http: 400, condition: 'JOB_REMOTE_ACCESS_ERROR' },

  // steps of a job
  TRANSFER_FAILED: { http: 400, condition: 'JOB_TRANSFER_FAILED_OR_CANCELLED' },
  STAGE_JOB_FAILED: { condition: 'JOB_UNABLE_TO_STAGE_JOB' },
  LAUNCH_FAILED: { condition: 'JOB_LAUNCH_FAILURE' },
  /** Slurm does not answer, or its answer is not clear: the job may be in the queue. */
  SCHEDULER_UNAVAILABLE: { http: 503, recover: 'scheduler', condition: 'JOB_LAUNCH_FAILURE' },
  /** Slurm takes no more jobs of this user or account for now. */
  SCHEDULER_LIMIT: { http: 400, recover: 'scheduler', condition: 'JOB_LAUNCH_FAILURE' },
  ARCHIVING_FAILED: { condition: 'JOB_ARCHIVING_FAILED' },
  RECOVERY_TIMEOUT: { condition: 'JOB_RECOVERY_TIMEOUT' },
} as const satisfies Record<string, Meaning>;

export type ErrorCode = keyof typeof ERRORS;

export const meaningOf = (code: ErrorCode): Meaning => ERRORS[code];

export const isErrorCode = (text: string): text is ErrorCode => Object.hasOwn(ERRORS, text);

/**
 * The only error class of the project: a code of the table, a sentence for the reader, details for the log. The sentence
 * goes into answers, records and the histories of the engine, so that logins and queries are cut out of its URLs, and every
 * name in it is shown as text.
 */
export class KilimError extends Error {
  constructor(
    readonly code: ErrorCode,
    message: string,
    readonly detail: Record<string, unknown> = {},
  ) {
    super(shownBytes(cutUrls(message)));
    this.name = 'KilimError';
  }
}
