import type { RuntimeType } from '../systems/system.js';

/** Who keeps a running job: the host's process table, or the container engine's daemon. */
export type Keeper = 'process' | 'docker';

/** Which pair of runtime and job type is served, and by whom (specification: jobs §6.1). Absent: refused at submit. */
export const KEEPER: Readonly<Record<RuntimeType, { FORK?: Keeper; BATCH?: Keeper }>> = {
  DOCKER: { FORK: 'docker' },
  SINGULARITY: {},
  ZIP: { FORK: 'process' },
};
