import type { App } from '../../apps/app.js';
import { KEEPER, type Keeper } from '../keeper.js';
import type { Faults } from './faults.js';
import type { Named, PlanInput } from './plan-input.js';

type Chosen = Pick<Named, 'request' | 'app'> & { systems: Pick<Named['systems'], 'exec'> };

export const jobTypeOf = ({ request, app, systems: { exec } }: Chosen): 'FORK' | 'BATCH' =>
  request.jobType ?? app.jobType ?? (exec.canRunBatch ? 'BATCH' : 'FORK');

/** The legacy kind of a Singularity application (jobs §6.5). */
const startsInstance = ({ runtime, runtimeOptions }: App): boolean =>
  runtime === 'SINGULARITY' && runtimeOptions.includes('SINGULARITY_START');

/** The job type and who keeps the running job; pairs that are not served are refused at submit (jobs §6.1). */
export function settleJobType(
  faults: Faults,
  chosen: Chosen & Pick<PlanInput, 'hostKind'>,
): { jobType: 'FORK' | 'BATCH'; keeper: Keeper } {
  const { app, systems: { exec } } = chosen; // prettier-ignore
  const jobType = jobTypeOf(chosen);
  const served = KEEPER[app.runtime];
  const pair = served[jobType];
  if (!pair)
    faults.add(
      'jobType',
      jobType,
      `is not served for the runtime ${app.runtime}; served: ${Object.keys(served).join(', ')}`,
    );
  else if (!pair.on.includes(chosen.hostKind ?? 'ssh'))
    faults.add(
      'execSystemId',
      exec.id,
      `is this machine without an sshd, where ${app.runtime} as ${jobType} is not served`,
    );
  if (jobType === 'BATCH' && !exec.canRunBatch)
    faults.add('jobType', jobType, `needs a batch system, and ${exec.id} is none (canRunBatch is false)`);
  if (jobType === 'BATCH' && exec.batchScheduler && exec.batchScheduler !== 'SLURM')
    faults.add('jobType', jobType, `is only served with SLURM, and ${exec.id} has ${exec.batchScheduler}`);
  if (!startsInstance(app)) return { jobType, keeper: pair?.by ?? 'process' };
  if (jobType === 'BATCH')
    faults.add('jobType', jobType, 'is not served for SINGULARITY_START, which runs as FORK only');
  return { jobType, keeper: 'instance' };
}
