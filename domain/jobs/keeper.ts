import type { RuntimeType } from '../systems/system.js';

/** Who keeps a running job: the host's process table, Docker's daemon, an instance of Singularity, or Slurm. */
export type Keeper = 'process' | 'docker' | 'instance' | 'slurm';

/** The name of the scheduler that lets jobs wait; null where a launched job runs at once. */
export const QUEUE_OF: Readonly<Record<Keeper, string | null>> = {
  process: null,
  docker: null,
  instance: null,
  slurm: 'Slurm',
};

/** Which pair of runtime and job type is served, and by whom (specification: jobs §6.1). Absent: refused at submit. */
export const KEEPER: Readonly<Record<RuntimeType, { FORK?: Keeper; BATCH?: Keeper }>> = {
  DOCKER: { FORK: 'docker' },
  SINGULARITY: { FORK: 'process', BATCH: 'slurm' },
  ZIP: { FORK: 'process', BATCH: 'slurm' },
};
