import type { Figure } from '../figure.js';
import { burst } from './burst.js';
import { endSeen } from './end-seen.js';
import { fairness } from './fairness.js';
import { history } from './history.js';
import { bigFile, manyFiles, veryManyFiles } from './inputs.js';
import { oneJobHere, oneJobSsh } from './one-job.js';
import { looking } from './looking.js';
import { parked } from './parked.js';
import { slurmBurst, slurmBurstFar } from './slurm-burst.js';
import { slurmOneJob, slurmQuiet } from './slurm.js';
import { start } from './start.js';
import { submit } from './submit.js';

/** All figures; a new one is a file and a line here. */
export const figures: readonly Figure[] = [
  start,
  submit,
  oneJobHere,
  oneJobSsh,
  burst,
  fairness,
  endSeen,
  looking,
  history,
  manyFiles,
  veryManyFiles,
  bigFile,
  parked,
  slurmOneJob,
  slurmBurst,
  slurmBurstFar,
  slurmQuiet,
];
