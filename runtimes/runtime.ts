import type { JobPlan } from '../domain/jobs/job-plan.js';
import type { HostKind } from '../domain/jobs/keeper.js';
import type { RemoteCommand } from '../domain/remote-command.js';
import type { RunPhrase } from '../domain/run-phrase.js';

/** How an application is phrased. A new runtime is one file like `zip.ts` and one line in `index.ts`. */
export interface Runtime {
  /** Faults of the image's name and of the user's container arguments, one sentence each; checked at submit (jobs §6.3–6.7). */
  faults: (plan: Checked, hostKind: HostKind) => string[];
  /** What makes the exec dir ready beside the launch files (unpack, pull). Safe to repeat. */
  prepare: (plan: JobPlan) => Preparation;
  /** The text of `tapisjob.env` from resolved values. */
  envFile: (plan: JobPlan, env: Readonly<Record<string, string>>) => string;
  /** The values that the format of `tapisjob.env` cannot hold, as shell text for the phrase; empty or absent: there are none. */
  moreEnvFile?: (plan: JobPlan, env: Readonly<Record<string, string>>) => string;
  /** The lines that run the application in the wrapper's script. */
  phrase: (plan: JobPlan) => RunPhrase;
}

/** What a runtime has a say in before a job is accepted. */
export type Checked = Pick<JobPlan, 'containerArgs' | 'containerImage' | 'runtimeOptions' | 'inputs'>;

/**
 * A step of making ready. Null when it is done; else what the host is busy with, in words for the user, and it is to be
 * sent again later.
 */
export type Preparation = RemoteCommand<string | null>;
