/**
 * Shell lines for a loop over `/proc/PID/cgroup`, with `$kind` (controllers) and `$group` (path) of each line: they leave in
 * `memory` and `time` the files that tell of the group. Either version of cgroups.
 */
export const findGroupFiles = (groups: string): string[] => [
  'case "$kind" in',
  `memory) memory="${groups}/memory$group/memory.max_usage_in_bytes" ;;`,
  `*cpuacct*) time="${groups}/cpuacct$group/cpuacct.usage" ;;`,
  `'') [ -r "${groups}$group/cpu.stat" ] && memory="${groups}$group/memory.peak" time="${groups}$group/cpu.stat" ;;`,
  'esac',
];

/** Sets `peak` (KiB) and `cpu` (milliseconds) from those files, builtins only; leaves alone what the host does not tell. */
export const READ_GROUP_FILES = [
  'read -r bytes < "$memory" && peak=$((bytes / 1024))',
  // usage_usec N, or nanoseconds
  'read -r word number < "$time" && cpu=$((${number:-$((word / 1000))} / 1000))',
];
