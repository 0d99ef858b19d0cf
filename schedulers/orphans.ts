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

/** A tag that was found, and the processes, containers and Slurm jobs that carry it, in words for an operator. */
export interface Tagged extends Tag {
  what: string;
}

/** One look at a login user's host: the tags of everything that runs there, from any installation of Kilim. */
export const listTags = (engine: Engine): RemoteCommand<Tagged[]> => ({
  line: [
    UNFILTERED,
    '{',
    "  grep -Hasz '^KILIM_JOB=' /proc/[0-9]*/environ | tr '\\0' '\\n' | sed -n 's|^/proc/\\([0-9]*\\)/environ:KILIM_JOB=|process \\1 |p'",
    ...whereThere(
      engine.containerEngine,
      `timeout 20 ${engineOf(engine)} ps -aq --filter label=kilim.job | ` +
        `xargs -r timeout 20 ${engineOf(engine)} inspect --type container --format 'container {{.Id}} {{index .Config.Labels "kilim.job"}}'`,
    ),
    ...whereThere(
      'squeue',
      `timeout 20 squeue --me --noheader --format='%A %k' | sed -n 's/^\\([0-9]*\\) ${COMMENT_PREFIX}/slurm \\1 /p'`,
    ),
    '} 2>/dev/null | sort -u',
    'exit 0',
  ].join('\n'),
  maxReplyBytes: LOOK_BYTES,
  parse: ({ stdout }) => {
    const found = new Map<string, { tag: Tag; ids: Map<string, string[]> }>();
    for (const line of linesOf(stdout)) {
      const { tag, kind, id } = parseTag(line) ?? {};
      if (!tag || !kind || !id) continue;
      const key = tagOf(tag.installation, tag.uuid);
      const one = found.get(key) ?? { tag, ids: new Map<string, string[]>() };
      found.set(key, one);
      const ids = one.ids.get(kind) ?? [];
      one.ids.set(kind, ids);
      ids.push(kind === 'container' ? id.slice(0, 12) : id);
    }
    return [...found.values()].map(({ tag, ids }) => ({ ...tag, what: inWords(ids) }));
  },
});

const NAMES: Record<string, string> = { process: 'process', container: 'container', slurm: 'Slurm job' };
const SHOWN_IDS = 5;

const inWords = (ids: Map<string, string[]>): string =>
  [...ids]
    .map(([kind, all]) => {
      const more = all.length > SHOWN_IDS ? ` and ${all.length - SHOWN_IDS} more` : '';
      return `${NAMES[kind] ?? kind} ${all.slice(0, SHOWN_IDS).join(', ')}${more}`;
    })
    .join('; ');

/** A tag is only what Kilim itself would have written; after a blank follows the user's part of a Slurm comment. */
function parseTag(line: string): { tag: Tag; kind: string; id: string } | null {
  const [, kind, id, installation, uuid] =
    /^(process|container|slurm) ([0-9a-f]{1,64}) ([A-Za-z0-9]+):([0-9a-f-]{36}-007)(?: .*)?$/.exec(line) ??
    [];
  return kind && id && installation && uuid ? { kind, id, tag: { installation, uuid } } : null;
}

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
