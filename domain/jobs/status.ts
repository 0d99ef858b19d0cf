/** The statuses of a job, in the order of its life (specification: jobs §5.1). */
export const ACTIVE = [
  'PENDING',
  'PROCESSING_INPUTS',
  'STAGING_INPUTS',
  'STAGING_JOB',
  'SUBMITTING_JOB',
  'QUEUED',
  'RUNNING',
  'ARCHIVING',
] as const;
export const SUSPENDED = ['BLOCKED', 'PAUSED'] as const;
export const TERMINAL = ['FINISHED', 'CANCELLED', 'FAILED'] as const;
export const STATUSES = [...ACTIVE, ...SUSPENDED, ...TERMINAL] as const;

export type ActiveStatus = (typeof ACTIVE)[number];
export type TerminalStatus = (typeof TERMINAL)[number];
export type JobStatus = (typeof STATUSES)[number];

const ANY_TIME = ['BLOCKED', 'PAUSED', 'FAILED', 'CANCELLED'] as const;

/** Legal moves, row for row the table of the specification (jobs §5.2). */
export const MOVES: Readonly<Record<JobStatus, readonly JobStatus[]>> = {
  PENDING: ['PENDING', 'PROCESSING_INPUTS', ...ANY_TIME],
  PROCESSING_INPUTS: ['PROCESSING_INPUTS', 'STAGING_INPUTS', ...ANY_TIME],
  STAGING_INPUTS: ['STAGING_INPUTS', 'STAGING_JOB', ...ANY_TIME],
  STAGING_JOB: ['STAGING_JOB', 'SUBMITTING_JOB', ...ANY_TIME],
  SUBMITTING_JOB: ['SUBMITTING_JOB', 'QUEUED', 'RUNNING', ...ANY_TIME],
  QUEUED: ['QUEUED', 'RUNNING', ...ANY_TIME],
  RUNNING: ['RUNNING', 'ARCHIVING', ...ANY_TIME],
  ARCHIVING: ['ARCHIVING', 'FINISHED', ...ANY_TIME],
  BLOCKED: [...ACTIVE, 'PAUSED', 'FINISHED', 'FAILED', 'CANCELLED'],
  PAUSED: [...ACTIVE, 'FINISHED', 'FAILED', 'CANCELLED'],
  FINISHED: [],
  CANCELLED: [],
  FAILED: [],
};

export const canMove = (from: JobStatus, to: JobStatus): boolean => MOVES[from].includes(to);

export const isTerminal = (status: JobStatus): status is TerminalStatus =>
  (TERMINAL as readonly JobStatus[]).includes(status);

export const isActive = (status: JobStatus): status is ActiveStatus =>
  (ACTIVE as readonly JobStatus[]).includes(status);
