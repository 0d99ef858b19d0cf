/**
 * Lines that set `cpu` (milliseconds) and `peak` (KiB) for an application that the shell has waited for, `-` for what the
 * host does not tell. Builtins only. `times` must not run in a subshell, whose children are others.
 * Memory is read where Slurm gives the job a cgroup of its own: a login session's would count its neighbours.
 */
export const measureLines = (groups = '/sys/fs/cgroup', own = '/proc/self/cgroup'): string[] => [
  'cpu=- peak=-',
  '{ times > "$ledger/times" && { read -r _; read -r user system; } < "$ledger/times" && rm -f "$ledger/times"; } 2>/dev/null',
  // 1m2.345s, with a comma where the language has one
  'ms() { local t=${1#*m}; t=${t%s}; echo $((${1%m*} * 60000 + 10#${t/[.,]/})); }',
  '[[ "$user $system" =~ ^[0-9]+m[0-9]+[.,][0-9]{3}s\\ [0-9]+m[0-9]+[.,][0-9]{3}s$ ]] && cpu=$(($(ms "$user") + $(ms "$system")))',
  '[ -n "$SLURM_JOB_ID" ] && while IFS=: read -r _ kind group; do',
  '  [[ "$group/" == *"/job_$SLURM_JOB_ID/"* ]] || continue',
  '  group="${group%%/job_"$SLURM_JOB_ID"*}/job_$SLURM_JOB_ID"',
  `  for file in "${groups}/memory$group/memory.max_usage_in_bytes" "${groups}$group/memory.peak"; do`,
  '    [ "$kind" = memory ] || [ -z "$kind" ] || continue',
  '    read -r bytes < "$file" && [[ "$bytes" =~ ^[0-9]+$ ]] && peak=$((bytes / 1024))',
  '  done',
  `done < ${own} 2>/dev/null`,
];
