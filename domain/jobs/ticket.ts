import type { JobCondition } from './condition.js';
import type { SystemUse } from './job-plan.js';
import { watchKey } from './remote.js';
import type { ActiveStatus, TerminalStatus } from './status.js';

/** What a job's workflow is started with: everything else is in the row. */
export interface Ticket {
  uuid: string;
  /** For a row whose workflow was lost: where it stood. */
  rev?: number;
  from?: ActiveStatus;
  /** It was PAUSED: nothing goes on before somebody resumes it, and what is held on the host is let go then. */
  isPaused?: boolean;
  /** Where it stood does not tell: it may have been launched. */
  mayRun?: boolean;
  /** Milliseconds since the epoch: since when its run may be held on the host. */
  heldSince?: number;
}

/** How a job's workflow ends. */
export interface JobEnd {
  status: TerminalStatus;
  condition: JobCondition;
}

/** What the job needs of the steps to come, so that an empty one costs nothing. */
export interface Needs {
  /** There is something to bring to the execution system. */
  inputs: boolean;
  /** Directories are needed before the job is staged, or on other systems; else that step makes them along. */
  directories: boolean;
}

/** What the submit step tells the workflow. */
export interface Submitted {
  remoteJobId: string;
  host: string;
  /** A scheduler may let it wait. */
  isQueued: boolean;
}

export interface WatchTicket extends Omit<SystemUse, 'rootDir'> {
  key: string;
  tenant: string;
}

/** The ticket of the watch of a job's system and login. */
export const watchTicketOf = (tenant: string, use: Omit<SystemUse, 'rootDir'>): WatchTicket => {
  const { systemId, host, port, loginUser, asUser, isStaticLogin } = use;
  const login = { systemId, host, port, loginUser, asUser, ...(isStaticLogin ? { isStaticLogin } : {}) };
  return { key: watchKey(tenant, use), tenant, ...login };
};

/** Arguments of the signals `pause` and `resume`; who sends one twice changes nothing. */
export interface Order {
  by: string;
  reason?: string;
}
