import type { JobPlan } from '../domain/jobs/job-plan.js';

/** A helper of a container that is being taken down ends by itself; it is nothing that the application left. */
const GRACE_TENTHS = 3;
const TERM_TENTHS = 50;
const KILL_TENTHS = 20;

/**
 * Lines behind the end of the application, whose process group is `$app`: what it left in the background gets TERM, after five
 * seconds KILL, so that nothing writes into the outputs while they are archived. `left`: how many processes that were.
 * A container's processes end with it; an instance goes on until its start script has ended, and is stopped as one.
 */
export const endingGroup = ({ keeper }: Pick<JobPlan, 'keeper'>): string[] =>
  keeper === 'docker' || keeper === 'instance'
    ? []
    : [
        'in_group() {',
        '  local file stat; kill -0 -- "-$app" || return',
        '  for file in /proc/[0-9]*/stat; do',
        '    read -r stat < "$file" || continue',
        '    set -- ${stat##*) }; [ "$3" = "$app" ] && [ "$1" != Z ] && [ "$1" != X ] && { file=${file#/proc/}; echo "${file%/stat}"; }',
        '  done',
        '} 2> /dev/null',
        'group_ends() { local i; for ((i = 0; i < $1; i++)); do [ -n "$(in_group)" ] || return 0; sleep 0.1; done; return 1; }',
        `if [ -n "$app" ] && ! group_ends ${GRACE_TENTHS}; then`,
        '  set -- $(in_group); left=$#',
        '  kill -TERM -- "-$app"; kill -CONT -- "-$app"',
        `  group_ends ${TERM_TENTHS} || { kill -KILL -- "-$app"; group_ends ${KILL_TENTHS}; }`,
        '  [ "$left" -gt 0 ] || left=-',
        'fi 2> /dev/null',
      ];
