import type { JobCondition } from '../domain/jobs/condition.js';

/** What a state of Slurm means for a job; `over` ones say with which condition, null for success. */
export type SlurmMeaning =
  { is: 'queued' } | { is: 'running' } | { is: 'suspended' } | { is: 'over'; condition: JobCondition | null };

const queued: SlurmMeaning = { is: 'queued' };
const running: SlurmMeaning = { is: 'running' };
const suspended: SlurmMeaning = { is: 'suspended' };
const over = (condition: JobCondition | null): SlurmMeaning => ({ is: 'over', condition });

/** https://slurm.schedmd.com/job_state_codes.html, and what older releases and squeue say (specification: jobs §6.8) */
const STATES: Readonly<Record<string, SlurmMeaning>> = {
  PENDING: queued,
  REQUEUED: queued,
  REQUEUE_FED: queued,
  REQUEUE_HOLD: queued,
  RESV_DEL_HOLD: queued,
  SPECIAL_EXIT: queued, // requeued and held by an operator's rule
  POWER_UP_NODE: queued,
  CONFIGURING: queued, // nodes boot for it
  RUNNING: running,
  RESIZING: running,
  SIGNALING: running,
  STAGE_OUT: running,
  COMPLETING: running, // its last processes are still being ended
  EXPEDITING: running,
  UPDATE_DB: running,
  LAUNCH_FAILED: over('SCHEDULER_TERMINATED'),
  RECONFIG_FAIL: over('SCHEDULER_TERMINATED'),
  SUSPENDED: suspended,
  STOPPED: suspended, // SIGSTOP: it keeps its cores
  COMPLETED: over(null),
  FAILED: over('SCHEDULER_TERMINATED'),
  BOOT_FAIL: over('SCHEDULER_TERMINATED'),
  NODE_FAIL: over('SCHEDULER_TERMINATED'),
  PREEMPTED: over('SCHEDULER_TERMINATED'),
  REVOKED: over('SCHEDULER_TERMINATED'),
  EQW: over('SCHEDULER_TERMINATED'),
  CANCELLED: over('SCHEDULER_CANCELLED'),
  DEADLINE: over('SCHEDULER_DEADLINE'),
  OUT_OF_MEMORY: over('SCHEDULER_OUT_OF_MEMORY'),
  TIMEOUT: over('SCHEDULER_TIMEOUT'),
};

/** `CANCELLED by 1000`, `CANCELLED+`: the first word counts. Null for a state that nobody knows. */
export const meaningOfState = (text: string): SlurmMeaning | null =>
  STATES[(text.trim().split(/[\s+]/)[0] ?? '').toUpperCase()] ?? null;

/** The words for an end, for a shell's `case`. */
export const OVER_WORDS = Object.keys(STATES).filter((word) => STATES[word]?.is === 'over');
