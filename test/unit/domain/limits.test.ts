import { describe, expect, it } from 'vitest';

import { limitsOf } from '../../../domain/jobs/limits.js';
import { UNLIMITED, type LogicalQueue } from '../../../domain/systems/system.js';

const aQueue = (name: string, maxJobs: number, maxJobsPerUser: number): LogicalQueue => ({
  name, hpcQueueName: name, maxJobs, maxJobsPerUser, minNodeCount: 1, maxNodeCount: 1, minCoresPerNode: 1, maxCoresPerNode: 1,
  minMemoryMB: 1, maxMemoryMB: 1, minMinutes: 1, maxMinutes: 1,
}); // prettier-ignore

const hpc = {
  id: 'hpc', jobMaxJobs: 10, jobMaxJobsPerUser: 5, batchLogicalQueues: [aQueue('normal', 4, 2), aQueue('free', UNLIMITED, -1)],
}; // prettier-ignore
const app = { id: 'sim', maxJobs: 3, maxJobsPerUser: 1 };
const ours = { tenant: 'dev', owner: 'alice', logicalQueue: 'normal' };

describe('the limits that a job falls under', () => {
  it('are those of the system, the queue and the application, for all and for the owner', () => {
    expect(limitsOf(ours, hpc, app)).toEqual([
      { key: 'system dev/hpc', limit: 10 },
      { key: 'system dev/hpc of alice', limit: 5 },
      { key: 'queue normal of system dev/hpc', limit: 4 },
      { key: 'queue normal of system dev/hpc of alice', limit: 2 },
      { key: 'application dev/sim', limit: 3 },
      { key: 'application dev/sim of alice', limit: 1 },
    ]);
  });

  it.each([
    ['a queue without limits', 'free'],
    ['a FORK job, which has no queue', null],
    ['a queue that was taken away since', 'gone'],
  ])('leave out the queue of %s', (_of, logicalQueue) =>
    expect(limitsOf({ ...ours, logicalQueue }, hpc, app).map(({ limit }) => limit)).toEqual([10, 5, 3, 1]),
  );

  it.each([0, -1, UNLIMITED])('do not count where they are %i', (none) =>
    expect(
      limitsOf(
        ours,
        {
          ...hpc,
          jobMaxJobs: none,
          jobMaxJobsPerUser: none,
          batchLogicalQueues: [aQueue('normal', none, none)],
        },
        { ...app, maxJobs: none, maxJobsPerUser: none },
      ),
    ).toEqual([]),
  );
});
