import { describe, expect, it } from 'vitest';

import { Faults } from '../../../domain/jobs/plan/faults.js';
import { settlePrefix } from '../../../domain/jobs/plan/mpi.js';
import type { Counts } from '../../../domain/jobs/plan/plan-input.js';
import { settleQueue } from '../../../domain/jobs/plan/queue.js';
import type { JobRequest } from '../../../domain/jobs/request.js';
import type { JobAttributes } from '../../../domain/apps/app.js';
import type { System } from '../../../domain/systems/system.js';
import { aCluster, anApp, anInput, aQueue, aRequest, aSystem, planOf } from './a-plan-input.js';

describe('the logical queue (§2.9)', () => {
  const counts: Counts = { nodeCount: 1, coresPerNode: 2, memoryMB: 100, maxMinutes: 10 };
  const settle = (
    request: Partial<JobRequest>,
    ours: Partial<JobAttributes>,
    exec: Partial<System>,
    changed: Partial<Counts> = {},
  ) => {
    const faults = new Faults();
    const named = {
      request: aRequest(request),
      app: anApp({}, ours),
      systems: { exec: aCluster(exec), archive: null },
    };
    const queue = settleQueue(faults, named, 'BATCH', { ...counts, ...changed });
    return { name: queue?.name ?? null, hpc: queue?.hpcQueueName ?? null, faults: faults.all };
  };
  const two = { batchLogicalQueues: [aQueue(), aQueue({ name: 'long' }), aQueue({ name: 'gpu' })] };

  it.each<[Partial<JobRequest>, Partial<JobAttributes>, string]>([
    [{ execSystemLogicalQueue: 'gpu' }, { execSystemLogicalQueue: 'long' }, 'gpu'],
    [{}, { execSystemLogicalQueue: 'long' }, 'long'],
    [{}, {}, 'normal'],
  ])('%j before %j gives %s', (request, ours, name) => {
    expect(settle(request, ours, two)).toEqual({ name, hpc: 'debug', faults: [] });
  });

  it('is none for FORK', () => {
    expect(settleQueue(new Faults(), anInput(), 'FORK', counts)).toBeNull();
    expect(planOf({ execSystemLogicalQueue: 'nope' }).plan.logicalQueue).toBeNull();
  });

  it.each<[string, Partial<JobRequest>, Partial<System>]>([
    ['is named neither', {}, { batchDefaultLogicalQueue: null }],
    ['is not a logical queue', { execSystemLogicalQueue: 'nope' }, {}],
  ])('%s', (rule, request, exec) => {
    expect(settle(request, {}, exec).faults).toEqual([expect.stringContaining(rule)]);
  });

  it.each<[Partial<Counts>, string | null]>([
    [{ nodeCount: 4 }, null],
    [{ nodeCount: 5 }, 'nodeCount: 5 is more than maxNodeCount 4 of the logical queue normal'],
    [{ coresPerNode: 1 }, 'coresPerNode: 1 is less than minCoresPerNode 2 of the logical queue normal'],
    [{ coresPerNode: 9 }, 'coresPerNode: 9 is more than maxCoresPerNode 8 of the logical queue normal'],
    [{ memoryMB: 49 }, 'memoryMB: 49 is less than minMemoryMB 50 of the logical queue normal'],
    [{ memoryMB: 1001 }, 'memoryMB: 1001 is more than maxMemoryMB 1000 of the logical queue normal'],
    [{ maxMinutes: 4 }, 'maxMinutes: 4 is less than minMinutes 5 of the logical queue normal'],
    [{ maxMinutes: 61 }, 'maxMinutes: 61 is more than maxMinutes 60 of the logical queue normal'],
  ])('%j', (changed, fault) => {
    expect(settle({}, {}, {}, changed).faults).toEqual(fault ? [fault] : []);
  });

  it.each([0, -1, null])('has no limit where the maximum is %s', (max) => {
    const queue = aQueue({ maxNodeCount: max as number });
    expect(settle({}, {}, { batchLogicalQueues: [queue] }, { nodeCount: 9999 }).faults).toEqual([]);
  });
});

describe('MPI and prefix (§2.8)', () => {
  it.each<[Partial<JobRequest>, Partial<JobAttributes>, Partial<System>, string]>([
    [{ isMpi: true, mpiCmd: 'mpirun' }, { mpiCmd: 'ibrun' }, { mpiCmd: 'srun' }, 'mpirun'],
    [{ isMpi: true }, { mpiCmd: 'ibrun' }, { mpiCmd: 'srun' }, 'ibrun'],
    [{}, { isMpi: true }, { mpiCmd: 'srun' }, 'srun'],
    [{ isMpi: false }, { isMpi: true }, { mpiCmd: 'srun' }, ''],
    [{ cmdPrefix: 'time' }, {}, { enableCmdPrefix: true }, 'time'],
    [{}, { cmdPrefix: 'a | b' }, { enableCmdPrefix: true }, 'a | b'],
    [{ cmdPrefix: ' ' }, { cmdPrefix: 'time' }, {}, ''],
    [{ isMpi: true }, {}, {}, 'isMpi: true needs'],
    [
      { isMpi: true, cmdPrefix: 'x' },
      { mpiCmd: 'ibrun' },
      { enableCmdPrefix: true },
      'cmdPrefix: "x" cannot be combined',
    ],
    [{ cmdPrefix: 'x' }, {}, {}, 'cmdPrefix: "x" is not allowed'],
    [{ isMpi: true, mpiCmd: 'a; b' }, {}, {}, 'mpiCmd: "a; b" contains'],
    [{ cmdPrefix: 'a\nb' }, {}, { enableCmdPrefix: true }, 'control character'],
  ])('%j %j %j: %s', (request, ours, exec, expected) => {
    const faults = new Faults();
    const { prefix } = settlePrefix(faults, {
      request: aRequest(request),
      app: anApp({}, ours),
      systems: { exec: aSystem(exec), archive: null },
    });
    if (faults.all.length === 0) expect(prefix).toBe(expected);
    else expect(faults.all).toEqual([expect.stringContaining(expected)]);
  });
});
