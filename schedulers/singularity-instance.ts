import type { JobPlan } from '../domain/jobs/job-plan.js';
import type { RemoteCommand } from '../domain/remote-command.js';
import { endAll, parseLeft, processTable } from './process-table.js';
import type { Held, Scheduler } from './scheduler.js';

/**
 * An instance of Singularity keeps the job: FORK of the legacy kind. The wrapper waits for its start script; the
 * instance's own processes belong to a session that only Singularity knows.
 */
export const singularityInstance: Scheduler = {
  ...processTable,
  hold: (plan) => signalling(plan, 'STOP', 'stopped'),
  release: (plan) => signalling(plan, 'CONT', 'continued'),
  cancel: (plan, _id, installation) => ({
    line: [
      ...endAll(plan, installation),
      ...tree(plan),
      'kill -CONT $(tree) 2> /dev/null',
      `${TOOL} instance stop ${plan.uuid} > /dev/null 2>&1`,
      'for _ in {1..20}; do all=$(tree); [ -z "$all" ] && break; kill -KILL $all 2>/dev/null; sleep 0.1; done',
      'list; tree',
    ].join('\n'),
    parse: parseLeft,
  }),
};

const TOOL = '$(command -v singularity || echo apptainer)';

/** A function `tree` that prints the instance's first process and all its descendants. */
const tree = (plan: JobPlan): string[] => [
  `init=$(${TOOL} instance list --json ${plan.uuid} 2> /dev/null | sed -n 's/.*"pid": *\\([0-9]*\\).*/\\1/p')`,
  'tree() {',
  '  [ -n "$init" ] && ps -eo pid=,ppid= | awk -v top="$init" \'{ parent[$1] = $2 } END { for (p in parent) { for (q = p; q in parent && q != top;) q = parent[q]; if (q == top) print p } }\'',
  '}',
];

const signalling = (plan: JobPlan, signal: string, verb: string): RemoteCommand<Held> => ({
  line: [
    ...tree(plan),
    'all=$(tree); [ -n "$all" ] || { echo 0; exit 0; }',
    `kill -${signal} $all; echo "$(echo "$all" | wc -l)"`,
  ].join('\n'),
  parse: ({ stdout }) => {
    const count = Number(stdout.trim().split('\n').at(-1) ?? 0) || 0;
    return { done: count > 0, said: `${count} process${count === 1 ? '' : 'es'} ${verb} (SIG${signal})` };
  },
});
