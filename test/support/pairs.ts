import type { HostKind, KEEPER } from '../../domain/jobs/keeper.js';
import { cluster, part } from './testbed.js';

/** A runtime, a job type and a kind of host, and what the tests call their application and system. */
export interface Pair {
  runtime: keyof typeof KEEPER;
  jobType: 'FORK' | 'BATCH';
  app: string;
  system: string;
  host: HostKind;
  isHere: boolean;
  /** How a job asks for little memory, and the condition of one that takes more; absent where nothing limits it. */
  memory?: undefined | { asks: Record<string, unknown>; gives: string };
}

/** The kernel's limit is known to Slurm; a polled one kills. */
const onCluster = (system: string, name: 'hpc-slurm' | 'hpc-noacct', outOfMemory: string): Pair[] =>
  (['ZIP', 'SINGULARITY'] as const).flatMap((runtime) =>
    (['FORK', 'BATCH'] as const).map((jobType) => ({
      runtime,
      jobType,
      app: runtime === 'ZIP' ? 'zip-alice' : 'singularity-app',
      system,
      host: 'ssh' as const,
      isHere: cluster(name) !== null,
      ...(jobType === 'BATCH' ? { memory: { asks: { memoryMB: 60 }, gives: outOfMemory } } : {}),
    })),
  );

const vm = part('vm-ssh');
const inContainers = {
  runtime: 'DOCKER', jobType: 'FORK', app: 'docker-app', isHere: vm !== null && part('docker') !== null,
  memory: { asks: { parameterSet: { containerArgs: [{ arg: '--memory 60m' }] } }, gives: 'JOB_REMOTE_OUTCOME_ERROR' },
} as const; // prettier-ignore

/** Every line of the table in domain/jobs/keeper.ts, on each kind of host that the test bed has for it. */
export const PAIRS: Pair[] = [
  { runtime: 'ZIP', jobType: 'FORK', app: 'zip-app', system: 'here', host: 'local', isHere: true },
  { runtime: 'ZIP', jobType: 'FORK', app: 'zip-app', system: 'vm', host: 'ssh', isHere: vm !== null },
  { ...inContainers, system: 'here', host: 'local' },
  { ...inContainers, system: 'vm', host: 'ssh' },
  // an ordinary user's Podman limits and pauses only with cgroups of version 2
  { ...inContainers, system: 'podman', host: 'ssh', isHere: part('podman') !== null, memory: undefined },
  ...onCluster('slurm', 'hpc-slurm', 'SCHEDULER_OUT_OF_MEMORY'),
  ...onCluster('noacct', 'hpc-noacct', 'SCHEDULER_TERMINATED'),
];
