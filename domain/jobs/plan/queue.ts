import type { LogicalQueue } from '../../systems/system.js';
import { refuseDangerous } from './characters.js';
import type { Faults } from './faults.js';
import type { Counts, Named } from './plan-input.js';

/** The logical queue of a BATCH job and its limits (specification: jobs §2.9); null for FORK. */
export function settleQueue(
  faults: Faults,
  { request, app, systems: { exec } }: Named,
  jobType: 'FORK' | 'BATCH',
  counts: Counts,
): LogicalQueue | null {
  if (jobType === 'FORK') return null;
  const field = 'execSystemLogicalQueue';
  const name =
    request.execSystemLogicalQueue ??
    app.jobAttributes.execSystemLogicalQueue ??
    exec.batchDefaultLogicalQueue;
  if (!name) {
    faults.add(
      field,
      null,
      `is named neither by the request nor by the application, and ${exec.id} has no default`,
    );
    return null;
  }
  refuseDangerous(faults, field, name);
  const queue = exec.batchLogicalQueues.find((one) => one.name === name);
  if (!queue) {
    const names = exec.batchLogicalQueues.map((one) => one.name).join(', ');
    faults.add(field, name, `is not a logical queue of the system ${exec.id}; it has: ${names || 'none'}`);
    return null;
  }
  for (const limit of limitsOf(queue)) checkLimit(faults, queue.name, limit, counts[limit.field]);
  return queue;
}

interface Limit {
  field: keyof Counts;
  max: [name: string, value: number];
  min: [name: string, value: number];
}

const limitsOf = (queue: LogicalQueue): Limit[] => [
  { field: 'nodeCount', max: ['maxNodeCount', queue.maxNodeCount], min: ['minNodeCount', queue.minNodeCount] },
  { field: 'coresPerNode', max: ['maxCoresPerNode', queue.maxCoresPerNode], min: ['minCoresPerNode', queue.minCoresPerNode] },
  { field: 'memoryMB', max: ['maxMemoryMB', queue.maxMemoryMB], min: ['minMemoryMB', queue.minMemoryMB] },
  { field: 'maxMinutes', max: ['maxMinutes', queue.maxMinutes], min: ['minMinutes', queue.minMinutes] },
]; // prettier-ignore

/** A maximum that is absent or not above 0 is no limit. */
function checkLimit(faults: Faults, queue: string, { field, max, min }: Limit, value: number): void {
  if (max[1] > 0 && value > max[1])
    faults.add(field, value, `is more than ${max[0]} ${max[1]} of the logical queue ${queue}`);
  else if (value < min[1])
    faults.add(field, value, `is less than ${min[0]} ${min[1]} of the logical queue ${queue}`);
}
