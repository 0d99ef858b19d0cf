import { quote } from '../domain/shell.js';
import { engineOf } from '../domain/jobs/container-engine.js';
import type { JobPlan } from '../domain/jobs/job-plan.js';
import { tagOf } from '../domain/jobs/ledger.js';
import type { RemoteCommand } from '../domain/remote-command.js';
import { linesOf, LOOK_BYTES } from './ledger-states.js';
import { parseLeft } from './process-table.js';
import type { Cancelled } from './scheduler.js';
import { COMMENT_PREFIX } from './slurm-directives.js';
import { UNFILTERED } from './slurm-environment.js';

/** The engine of a host's containers, as the plan of any of its jobs calls it. */
type Engine = Pick<JobPlan, 'containerEngine' | 'containerEngineArgs'>;

/** What a process, container or Slurm job says of itself: whose it is. */
export interface Tag {
  installation: string;
  uuid: string;
}

/** One look at a login user's host: the tags of all that runs there, whoever started it. */
export const listTags = (engine: Engine): RemoteCommand<Tag[]> => ({
  line: [
    UNFILTERED,
    '{',
    "  grep -hasz '^KILIM_JOB=' /proc/[0-9]*/environ | tr '\\0' '\\n' | cut -d= -f2-",
    ...whereThere(
      engine.containerEngine,
      `timeout 20 ${engineOf(engine)} ps -aq --filter label=kilim.job | ` +
        `xargs -r timeout 20 ${engineOf(engine)} inspect --type container --format '{{index .Config.Labels "kilim.job"}}'`,
    ),
    ...whereThere(
      'squeue',
      `timeout 20 squeue --me --noheader --format=%k | sed -n 's/^${COMMENT_PREFIX}//p'`,
    ),
    '} 2>/dev/null | sort -u',
    'exit 0',
  ].join('\n'),
  maxReplyBytes: LOOK_BYTES,
  parse: ({ stdout }) => linesOf(stdout).flatMap(parseTag),
});

/** A tag is only what Kilim itself would have written; after a blank follows the user's part of a Slurm comment. */
const parseTag = (line: string): Tag[] => {
  const [, installation, uuid] = /^([A-Za-z0-9]+):([0-9a-f-]{36}-007)(?: .*)?$/.exec(line) ?? [];
  return installation && uuid ? [{ installation, uuid }] : [];
};

/**
 * Ends all that carries the tag, without a plan, and lists what is left of it: the Slurm job first, as it would start
 * processes again, then processes (TERM, five seconds, KILL), then containers. Safe to repeat.
 */
export function endTagged(engine: Engine, { installation, uuid }: Tag): RemoteCommand<Cancelled> {
  const tag = quote(tagOf(installation, uuid));
  const call = engineOf(engine);
  return {
    line: [
      UNFILTERED,
      `tag=${tag}`,
      'list() {',
      `  grep -lsz "^KILIM_JOB=$tag\\$" /proc/[0-9]*/environ | tr '\\0' '\\n' | cut -d/ -f3 | while read -r p; do`,
      '    read -r s < "/proc/$p/stat" || continue',
      '    set -- ${s##*) }; [ "$1" = Z ] || [ "$1" = X ] || echo "$p"',
      '  done',
      '} 2>/dev/null',
      'queued() {',
      '  command -v squeue > /dev/null || return 0',
      `  timeout 20 squeue --me --noheader --format='%A|%T|%k' 2>/dev/null | while IFS='|' read -r id state mark; do`,
      `    [ "\${mark%% *}" = "${COMMENT_PREFIX}$tag" ] && [ "$state" != COMPLETING ] && echo "$id"`,
      '  done',
      '}',
      `containers() { command -v ${engine.containerEngine} > /dev/null && timeout 20 ${call} ps -aq --filter "label=kilim.job=$tag"; } 2>/dev/null`,
      'for id in $(queued); do timeout 20 scancel --quiet "$id"; done',
      'all=$(list); [ -n "$all" ] && { kill -TERM $all; kill -CONT $all; } 2>/dev/null',
      'for _ in {1..50}; do all=$(list); [ -z "$all" ] && break; sleep 0.1; done',
      'for _ in {1..20}; do all=$(list); [ -z "$all" ] && break; kill -KILL $all 2>/dev/null; sleep 0.1; done',
      `for id in $(containers); do timeout 20 ${call} rm -f "$id" > /dev/null 2>&1; done`,
      'list; containers',
      `queued | sed 's/^/Slurm job /'`,
    ].join('\n'),
    timeoutSeconds: 120,
    parse: parseLeft,
  };
}

const whereThere = (program: string, line: string): string[] => [
  `  command -v ${program} > /dev/null && ${line}`,
];
