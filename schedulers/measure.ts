import { findGroupFiles, READ_GROUP_FILES } from '../domain/cgroup-lines.js';
import type { JobPlan } from '../domain/jobs/job-plan.js';

/**
 * Lines that set `cpu` (milliseconds) and `peak` (KiB) for an application that the shell has waited for, `-` for what nobody
 * tells; `begin` and `now` are the wrapper's. First the cgroup that Slurm gives the job: all its steps on this node (a login
 * session's would count its neighbours). Else the processor time of the application's own processes where those are all, else
 * Slurm's accounting. `times` must not run in a subshell, whose children are others.
 */
export const measureLines = (
  plan: Pick<JobPlan, 'isMpi' | 'prefix'>,
  groups = '/sys/fs/cgroup',
  own = '/proc/self/cgroup',
): string[] => [
  'cpu=- peak=- mine=- memory= time=',
  '{ times > "$ledger/times" && { read -r _; read -r user system; } < "$ledger/times" && rm -f "$ledger/times"; } 2>/dev/null',
  // 1m2.345s, with a comma where the language has one
  'ms() { local t=${1#*m}; t=${t%s}; echo $((${1%m*} * 60000 + 10#${t/[.,]/})); }',
  '[[ "$user $system" =~ ^[0-9]+m[0-9]+[.,][0-9]{3}s\\ [0-9]+m[0-9]+[.,][0-9]{3}s$ ]] && mine=$(($(ms "$user") + $(ms "$system")))',
  '{ [ -n "$SLURM_JOB_ID" ] && while IFS=: read -r _ kind group; do',
  '  [[ "$group/" == *"/job_$SLURM_JOB_ID/"* ]] || continue',
  '  group="${group%%/job_"$SLURM_JOB_ID"*}/job_$SLURM_JOB_ID"',
  ...findGroupFiles(groups),
  `done < ${own}`,
  ...READ_GROUP_FILES,
  '} 2>/dev/null',
  // each node of a job has a cgroup of its own
  '[ "${SLURM_JOB_NUM_NODES:-1}" = 1 ] || cpu=-',
  ...ACCOUNTED,
  `if [ "$cpu" = - ]; then if ${isAll(plan)}; then cpu=$mine; elif [ -z "$by" ]; then cpu=$(accounted); cpu=\${cpu:--}; fi; fi`,
];

/**
 * Whether the processes below the shell are the whole job: what srun starts is no child of it, and an MPI command may call
 * srun. So may any application: one that ran for long and did little itself is not believed to have done little.
 */
const isAll = ({ isMpi, prefix }: Pick<JobPlan, 'isMpi' | 'prefix'>): string => {
  if (/\bsrun\b/.test(prefix)) return 'false';
  const alone = '[ "${SLURM_NTASKS:-1}" = 1 ] && [ $(($(now) - begin)) -lt $((2 * ${mine/-/0} + 10000)) ]';
  return isMpi ? '[ -z "$SLURM_JOB_ID" ]' : `[ -z "$SLURM_JOB_ID" ] || { ${alone}; }`;
};

/**
 * Slurm's accounting of the steps, on all nodes, and what the shell itself waited for. Says nothing where a step is not yet
 * written down, or was not measured: without a plugin for it Slurm writes zero.
 */
const ACCOUNTED = [
  'accounted() {',
  '  local said id state used wait steps=0 sum=0 running="\\.[0-9]+\\|(RUNNING|PENDING)"',
  '  [ -n "$SLURM_JOB_ID" ] && [ "$mine" != - ] || return',
  '  for wait in 0 0.3 0.7; do sleep $wait',
  '    said=$(timeout -k 1 3 sacct -n -P -j "$SLURM_JOB_ID" -o JobID,State,TotalCPU 2>/dev/null) || return',
  '    [[ "$said" != *"$SLURM_JOB_ID.batch|"* || "$said" =~ $running ]] || break; said=',
  '  done',
  '  [ -n "$said" ] || return',
  '  while IFS="|" read -r id state used; do',
  '    [[ "$id" =~ ^[0-9]+\\.[0-9]+$ ]] || continue; steps=$((steps + 1))',
  // 2-03:04:05, 03:04:05 or 04:05.678
  '    [[ "$used" =~ ^(([0-9]+)-)?(([0-9]+):)?([0-9]+):([0-9]+)(\\.([0-9]{3}))?$ ]] || return',
  '    set -- "${BASH_REMATCH[@]}"; sum=$((sum + (((10#0$3 * 24 + 10#0$5) * 60 + 10#0$6) * 60 + 10#0$7) * 1000 + 10#0$9))',
  '  done <<< "$said"',
  '  if [ "$steps" -gt 0 ]; then [ "$sum" -gt 0 ]; else [ "${SLURM_JOB_NUM_NODES:-1}" = 1 ]; fi && echo $((sum + mine))',
  '}',
];
