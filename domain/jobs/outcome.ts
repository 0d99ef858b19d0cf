import type { JobCondition } from './condition.js';
import type { JobPlan } from './job-plan.js';
import type { RemoteOutcome } from './job.js';
import type { RemoteEnd } from './remote.js';

/** What the end of the remote run means for the job (specification: jobs §5.5, §5.6, §8.1). */
export interface Outcome {
  remoteOutcome: RemoteOutcome;
  remoteResultInfo: string;
  /** Archiving is wanted. */
  archive: boolean;
  condition?: JobCondition;
  /** For a failure: what a person should read, without the last lines of output. */
  message?: string;
}

export const outcomeOf = (plan: Pick<JobPlan, 'archiveMode' | 'jobType'>, end: RemoteEnd): Outcome => {
  if (end.exitCode === 0 && !end.condition) {
    return {
      remoteOutcome: 'FINISHED',
      remoteResultInfo: infoOf(plan, 0),
      archive: plan.archiveMode !== 'NEVER',
    };
  }
  // that it ended must be known for certain before its files are moved
  const archive = plan.archiveMode === 'ALWAYS' && (end.exitCode !== null || end.condition !== undefined);
  return {
    remoteOutcome: archive ? 'FAILED' : 'FAILED_SKIP_ARCHIVE',
    remoteResultInfo: end.exitCode === null ? 'unknown' : infoOf(plan, end.exitCode),
    archive,
    condition:
      end.condition ??
      (end.exitCode === null ? 'JOB_EXECUTION_MONITORING_ERROR' : 'JOB_REMOTE_OUTCOME_ERROR'),
    message: inWords(end),
  };
};

/** A plain number, or `code:signal` as Slurm writes it (jobs §5.6). */
const infoOf = ({ jobType }: Pick<JobPlan, 'jobType'>, code: number): string =>
  jobType === 'BATCH' ? `${code}:0` : String(code);

const inWords = ({ exitCode, signal, word, condition }: RemoteEnd): string => {
  if (exitCode === null) {
    if (condition) return `The scheduler ended the application: ${word ?? condition}.`;
    return word === 'WRAPPER_LOST'
      ? 'The application ended without a record: its wrapper was killed or the host was restarted.'
      : `The application ended and nobody knows how (${word ?? 'no word from the host'}).`;
  }
  const how = signal ? `was ended by ${signal} (exit code ${exitCode})` : `ended with exit code ${exitCode}`;
  return `The application ${how}${word ? `; the scheduler says ${word}` : ''}.`;
};

/** maxMinutes ran out: ended by Kilim, nothing is archived. */
export const expired = (maxMinutes: number): Outcome => ({
  remoteOutcome: 'FAILED_SKIP_ARCHIVE',
  remoteResultInfo: 'TIME_EXPIRED',
  archive: false,
  condition: 'JOB_EXECUTION_MONITORING_TIMEOUT',
  message: `The application was terminated by Kilim because: TIME_EXPIRED. It ran longer than maxMinutes = ${maxMinutes}; ask for more.`,
});
