import type { JobPlan, SystemUse } from '../domain/jobs/job-plan.js';

/** Where a job's data lies on its way: the same directory on the transfer node and on the execution host. */
export interface NodeDir {
  use: SystemUse;
  /** Below rootDir. The job's own: others may use the same directory of the node. */
  dir: string;
}

/** The way in through a data transfer node; null where inputs go straight to the execution host (jobs §9.4). */
export const wayIn = ({ dtn, uuid }: JobPlan): NodeDir | null =>
  dtn && dtn.inputDir !== null ? { use: dtn, dir: `${dtn.inputDir}/${uuid}` } : null;

/** The way out (jobs §8). */
export const wayOut = ({ dtn, uuid }: JobPlan): NodeDir | null =>
  dtn && dtn.outputDir !== null ? { use: dtn, dir: `${dtn.outputDir}/${uuid}` } : null;
