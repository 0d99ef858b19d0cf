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

/** A host is reached over SSH, or it is this machine itself, without an sshd. */
export type HostKind = 'ssh' | 'local';

interface Served {
  by: Keeper;
  on: readonly HostKind[];
}

/**
 * Which runtime is served as which job type, by whom and where (specification: jobs §6.1). What is absent is refused at
 * submit; what is here is shown by test/integration/contract.test.ts.
 */
export const KEEPER: Readonly<Record<RuntimeType, { FORK?: Served; BATCH?: Served }>> = {
  DOCKER: { FORK: { by: 'docker', on: ['ssh', 'local'] } },
  SINGULARITY: { FORK: { by: 'process', on: ['ssh'] }, BATCH: { by: 'slurm', on: ['ssh'] } },
  ZIP: { FORK: { by: 'process', on: ['ssh', 'local'] }, BATCH: { by: 'slurm', on: ['ssh'] } },
};
