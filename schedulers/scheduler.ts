import type { JobPlan } from '../domain/jobs/job-plan.js';
import type { Forgotten, RemoteState, Snapshot } from '../domain/jobs/remote.js';
import type { RemoteCommand } from '../domain/remote-command.js';
import type { RunPhrase } from '../domain/run-phrase.js';

/**
 * Who keeps a running job. Pure text: every member makes a value, `hosts/` runs it.
 * A new scheduler is one file and one line in `index.ts`.
 */
export interface Scheduler {
  /** Faults of the user's scheduler options, one sentence each; checked at submit (jobs §6.8). */
  faults: (schedulerOptions: readonly string[], plan: Pick<JobPlan, 'repeatable'>) => string[];
  /** The whole of `tapisjob.sh`: directives, module loads, the wrapper round the phrase. */
  script: (plan: JobPlan, phrase: RunPhrase, installation: string) => string;
  /**
   * Find, adopt, else launch: one round trip, safe to repeat.
   * @param forgotten the id of a run that the keeper lost before it began: it is not looked for any more
   */
  launch: (plan: JobPlan, installation: string, forgotten?: string) => RemoteCommand<Launch>;
  /** One look for all jobs of the installation and login user. */
  snapshot: (installation: string) => RemoteCommand<Snapshot>;
  /** The last word on one job; asks the ledger, then the keeper. */
  settle: (
    plan: JobPlan,
    remoteJobId: string,
    installation: string,
  ) => RemoteCommand<RemoteState | Forgotten>;
  /** Stops the run without ending it, where the host allows that; says what was done. */
  hold: (plan: JobPlan, remoteJobId: string, installation: string) => RemoteCommand<Held>;
  release: (plan: JobPlan, remoteJobId: string, installation: string) => RemoteCommand<Held>;
  /** Ends everything that carries the job's tag, prevents a later start, and verifies. */
  cancel: (plan: JobPlan, remoteJobId: string | null, installation: string) => RemoteCommand<Cancelled>;
}

export interface Launch {
  remoteJobId: string;
  /** It had been launched before, by an attempt whose reply was lost. */
  adopted: boolean;
}

export interface Held {
  done: boolean;
  /** What was done, in words for the user, e.g. `3 processes stopped (SIGSTOP)`. */
  said: string;
}

export interface Cancelled {
  /** What still runs in spite of everything; empty when nothing is left. */
  left: string[];
}
