import type { JobPlan } from '../domain/jobs/job-plan.js';
import type { RemoteCommand } from '../domain/remote-command.js';
import type { RunPhrase } from '../domain/run-phrase.js';

/** How an application is phrased. A new runtime is one file like `zip.ts` and one line in `index.ts`. */
export interface Runtime {
  /** Faults of the user's container arguments, one sentence each; checked at submit (jobs §6.3–6.7). */
  faults: (containerArgs: readonly string[]) => string[];
  /** What makes the exec dir ready before the script is written (unpack, pull). Safe to repeat. */
  prepare: (plan: JobPlan) => Preparation[];
  /** The text of `tapisjob.env` from resolved values. */
  envFile: (plan: JobPlan, env: Readonly<Record<string, string>>) => string;
  /** The lines that run the application in the wrapper's script. */
  phrase: (plan: JobPlan) => RunPhrase;
}

export interface Preparation {
  command: RemoteCommand<void>;
  /** What the job's record says while it takes long. */
  says?: string;
  /** Asked now and then while the command runs: how far it is, in the host's words. */
  progress?: RemoteCommand<string>;
}

/** How long the pull of an image may take; below the time of the activity that does it. */
export const PULL_SECONDS = 1800;
