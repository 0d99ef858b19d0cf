import { KilimError } from '../domain/errors.js';
import { quote } from '../domain/shell.js';
import type { JobPlan } from '../domain/jobs/job-plan.js';
import { ledgerDir } from '../domain/jobs/ledger.js';
import { engineOf } from '../domain/jobs/container-engine.js';
import { redirection, showStreams, streamsOf } from '../domain/jobs/streams.js';
import { PROBE, parseState } from './ledger-states.js';
import { endAll, launchDetached, parseLeft, processTable } from './process-table.js';
import type { Held, Scheduler } from './scheduler.js';
import type { RemoteCommand } from '../domain/remote-command.js';

/**
 * The container engine's daemon keeps the job; the wrapper waits for the container and records its end.
 * Where the wrapper died, the daemon still knows.
 */
export const dockerDaemon: Scheduler = {
  faults: processTable.faults,
  script: processTable.script,
  launch: launchDetached,
  snapshot: processTable.snapshot,
  settle: (plan) => ({
    line: [
      PROBE,
      showStreams(plan, streamsOf(plan)),
      `said=$(probe ${plan.uuid} ${quote(ledgerDir(plan))})`,
      '[[ "$said" == *" gone" ]] || { echo "$said"; exit 0; }',
      // the wrapper is dead; the daemon has the last word. One look at a time: another one would write over the output
      `exec 7> ${quote(`${ledgerDir(plan)}/end.lock`)} && flock -w 30 7; said=$(probe ${plan.uuid} ${quote(ledgerDir(plan))})`,
      '[[ "$said" == *" gone" ]] || { echo "$said"; exit 0; }',
      `look() { ${engineOf(plan)} inspect --type container --format '{{.State.Status}} {{.State.ExitCode}}' ${plan.uuid} 7>&-; }`,
      'word=$(look 2> /dev/null) || word=$(look 2>&1)',
      'case "$word" in',
      `  running*|restarting*) echo "${plan.uuid} running" ;;`,
      `  paused*) echo "${plan.uuid} suspended" ;;`,
      // Podman calls a container stopped that nobody cleaned up after
      `  exited*|stopped*) code=\${word#* }; ${engineOf(plan)} logs ${plan.uuid} ${redirection(plan)} 7>&-`,
      '    show_streams',
      `    echo "$code 0 0" > ${quote(`${ledgerDir(plan)}/exit`)}; ${engineOf(plan)} rm -f ${plan.uuid} > /dev/null 2>&1 7>&-`,
      `    echo "${plan.uuid} over $code 0 0" ;;`,
      '  *[Nn]"o such"*) echo "$said" ;;',
      // an engine that does not answer, as after a restart of the host, may still have it
      `  *) echo "${plan.uuid} away" ;;`,
      'esac',
    ].join('\n'),
    parse: parseState(plan.uuid),
  }),
  hold: (plan) => {
    const { line, parse } = pausing(plan, 'pause', 'container paused');
    // an earlier try whose answer was lost may have done it
    const isPaused = `[ "$(${engineOf(plan)} inspect --format '{{.State.Paused}}' ${plan.uuid} 2>/dev/null)" = true ]`;
    return { line: `${untilStarted(plan)}\n${line} || ${isPaused}`, parse, timeoutSeconds: 90 };
  },
  release: (plan) => pausing(plan, 'unpause', 'container continued'),
  cancel: (plan, _id, installation) => ({
    line: [
      ...endAll(plan, installation),
      `${engineOf(plan)} unpause ${plan.uuid} > /dev/null 2>&1; ${engineOf(plan)} rm -f ${plan.uuid} > /dev/null 2>&1`,
      'list',
      // who was never started has no container; else an engine that does not answer may still run it
      `said=$(${listed(plan)} 2> /dev/null) || [ ! -d "$ledger/started.1" ] || said="nobody knows: $(${listed(plan)} 2>&1 | tail -n 1)"`,
      'echo "$said"',
    ].join('\n'),
    parse: parseLeft,
  }),
};

const listed = (plan: JobPlan): string =>
  `${engineOf(plan)} ps -a --filter name=^${plan.uuid}$ --format 'container {{.Names}}'`;

/**
 * The wrapper tells of its start before the container runs, and only a running one can be paused. A busy engine takes its
 * time for that, Podman many seconds; 50 s at most.
 */
const untilStarted = (plan: JobPlan): string =>
  `for _ in {1..250}; do [ -s ${quote(`${ledgerDir(plan)}/exit`)} ] && break; case $(${engineOf(plan)} inspect --format '{{.State.Status}}' ${plan.uuid} 2>/dev/null) in ` +
  `created|initialized|configured|'') sleep 0.2 ;; *) break ;; esac; done`;

/** A busy kernel may not freeze all processes of a container at once, and the engine gives up after moments: again, for some seconds. */
const ORDER =
  'order() { local said code; for _ in 1 2 3 4 5 6; do said=$("$@" 2>&1); code=$?; [[ "$said" == *"unable to freeze"* ]] || break; sleep 1; done; echo "$said"; return $code; }';

const pausing = (plan: JobPlan, verb: string, done: string): RemoteCommand<Held> => ({
  line: `${ORDER}; order ${engineOf(plan)} ${verb} ${plan.uuid}`,
  parse: ({ exitCode, stdout }) => {
    if (exitCode === 0) return { done: true, said: `${done} (${plan.containerEngine} ${verb})` };
    const said = `the container could not be ${verb}d: ${stdout.trim().slice(0, 300)}`;
    // nothing is paused for ever because the engine was away when it should go on
    if (verb === 'unpause' && !/not paused|no such|not running/i.test(stdout))
      throw new KilimError('HOST_TIMEOUT', said);
    return { done: false, said };
  },
});
