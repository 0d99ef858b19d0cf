/*
 * Variables that a site or a user exports change what Slurm's programs do. For sbatch they win over the lines of the script
 * ("man sbatch", input environment variables), and a filter of squeue would hide a job that is there.
 */

/** Of the programs that only look and order; each is asked with the options that it needs. */
export const UNFILTERED =
  'unset ${!SQUEUE_*} ${!SCANCEL_*} ${!SCONTROL_*} ${!SACCT_*} SLURM_CLUSTERS SLURM_TIME_FORMAT';

/** Options whose variable has another name, or that stand for a family of which Slurm takes one. */
const NAMES: Readonly<Record<string, readonly string[]>> = {
  '--mem': ['MEM_PER_NODE', 'MEM_PER_CPU', 'MEM_PER_GPU'],
  '--mem-per-cpu': ['MEM_PER_NODE', 'MEM_PER_CPU', 'MEM_PER_GPU'],
  '--mem-per-gpu': ['MEM_PER_NODE', 'MEM_PER_CPU', 'MEM_PER_GPU'],
  '--no-requeue': ['REQUEUE', 'NO_REQUEUE'],
  '--requeue': ['REQUEUE', 'NO_REQUEUE'],
  '--switches': ['REQ_SWITCH', 'WAIT4SWITCH'],
  '--time': ['TIMELIMIT'],
};

/** What no job may have: many runs, another cluster, an sbatch that waits, files and restarts that the job did not ask for. */
const NEVER = ['ARRAY_INX', 'CLUSTERS', 'WAIT', 'OUTPUT', 'ERROR', 'INPUT', 'REQUEUE'];

/** What a request or its profile asks for wins over the account's environment; what neither names stays the site's. */
export const unsetForSbatch = (options: readonly string[]): string => {
  const named = options.flatMap(
    (name) => NAMES[name] ?? [name.replace('--', '').replaceAll('-', '_').toUpperCase()],
  );
  return `unset ${[...new Set([...NEVER, ...named])].map((name) => `SBATCH_${name}`).join(' ')}`;
};
