import { findGroupFiles, READ_GROUP_FILES } from '../domain/cgroup-lines.js';
import { quote } from '../domain/shell.js';

/** Where the host's kernel tells of its processes. */
interface Trees {
  groups: string;
  proc: string;
}

/**
 * Lines that look at a running container's cgroup until their standard input ends, and leave its processor time in
 * milliseconds and its highest memory in KiB in a file, `-` for what the host does not tell. The cgroup goes with the
 * container: what it used in its last second may be missing. Builtins only; of either version of cgroups.
 */
const lookAtGroup = (engine: string, container: string, file: string, { groups, proc }: Trees): string[] => [
  'cpu=- peak=- memory= time= pause=0.05',
  `read -r pid id < <(${engine} inspect --format '{{.State.Pid}} {{.Id}}' ${container} 2> /dev/null)`,
  'while IFS=: read -r _ kind group; do',
  // a container without a group of its own shares one with others
  '  [[ "$id" && "$group" == *"$id"* ]] || continue',
  ...findGroupFiles(groups),
  `done < "${proc}/$pid/cgroup"`,
  'while :; do',
  ...READ_GROUP_FILES,
  '  read -rt "$pause" _; [ $? -gt 128 ] || break',
  '  case "$pause" in 0.05) pause=0.2 ;; 0.2) pause=0.5 ;; *) pause=1 ;; esac',
  'done',
  `echo "$cpu $peak" > ${quote(file)}`,
];

/** Measures until the second of these is run. */
export const measuring = (
  engine: string,
  container: string,
  file: string,
  trees: Trees = { groups: '/sys/fs/cgroup', proc: '/proc' },
): { begin: string; end: string } => ({
  begin: [
    'exec 8> >({',
    ...lookAtGroup(engine, container, file, trees),
    '} 2> /dev/null > /dev/null)',
    'usage=$!',
  ].join('\n'),
  end: 'exec 8>&-; wait $usage',
});
