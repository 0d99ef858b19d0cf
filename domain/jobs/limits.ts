import type { App } from '../apps/app.js';
import { UNLIMITED, type System } from '../systems/system.js';
import type { JobPlan } from './job-plan.js';

/** How many jobs may be active at once under one key. */
export interface JobLimit {
  /** Also what people read: `queue normal of system dev/hpc of alice`. */
  key: string;
  limit: number;
}

type Ours = Pick<JobPlan, 'tenant' | 'owner' | 'logicalQueue'>;

/**
 * The limits that a job falls under, in the order in which they are told (specification: jobs §7.4).
 * An application's limits count its own jobs, not all of the system's.
 */
export function limitsOf(
  { tenant, owner, logicalQueue }: Ours,
  system: Pick<System, 'id' | 'jobMaxJobs' | 'jobMaxJobsPerUser' | 'batchLogicalQueues'>,
  app: Pick<App, 'id' | 'maxJobs' | 'maxJobsPerUser'>,
): JobLimit[] {
  const onSystem = `system ${tenant}/${system.id}`;
  const ofApp = `application ${tenant}/${app.id}`;
  // null for FORK; a queue that was taken from the system since has no limit any more
  const queue = system.batchLogicalQueues.find(({ name }) => name === logicalQueue);
  const inQueue = `queue ${logicalQueue ?? ''} of ${onSystem}`;
  return [
    { key: onSystem, limit: system.jobMaxJobs },
    { key: `${onSystem} of ${owner}`, limit: system.jobMaxJobsPerUser },
    ...(queue
      ? [
          { key: inQueue, limit: queue.maxJobs },
          { key: `${inQueue} of ${owner}`, limit: queue.maxJobsPerUser },
        ]
      : []),
    { key: ofApp, limit: app.maxJobs },
    { key: `${ofApp} of ${owner}`, limit: app.maxJobsPerUser },
  ].filter(({ limit }) => limit > 0 && limit < UNLIMITED);
}
