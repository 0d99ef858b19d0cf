import { KilimError } from '../domain/errors.js';
import { dropEnv, FIND_SCRIPT, ledgerDir, stateDir, tagOf } from '../domain/jobs/ledger.js';
import type { JobPlan } from '../domain/jobs/job-plan.js';
import { isDiskFull, lastWords, type RemoteCommand, type Reply } from '../domain/remote-command.js';
import { quote } from '../domain/shell.js';
import { LOOK_BYTES, PROBE, parseState, parseStates } from './ledger-states.js';
import type { Cancelled, Held, Launch, Scheduler } from './scheduler.js';
import { redirection, streamsOf } from '../domain/jobs/streams.js';
import { wrapperScript } from './wrapper.js';

/** The host's process table keeps the job: FORK of everything that is not a container. */
export const processTable: Scheduler = {
  faults: () => [], // a FORK job has no scheduler: its options are kept on the record and not used
  script: (plan, phrase, installation) =>
    wrapperScript({
      plan,
      phrase,
      installation,
      directives: [],
      redirect: redirection(plan),
      streams: streamsOf(plan),
    }),
  launch: launchDetached,
  snapshot: (installation) => ({
    line: [
      PROBE,
      `cd ${stateDir(installation)}/live 2>/dev/null || exit 0`,
      'for uuid in *-007; do',
      '  [ -r "$uuid" ] && read -r ledger < "$uuid" && probe "$uuid" "$ledger"',
      'done',
      'exit 0',
    ].join('\n'),
    maxReplyBytes: LOOK_BYTES,
    parse: parseStates,
  }),
  settle: (plan) => ({
    line: `${PROBE}\nprobe ${plan.uuid} ${quote(ledgerDir(plan))}`,
    parse: parseState(plan.uuid),
  }),
  hold: (plan, _id, installation) => signalAll(plan, installation, 'STOP', 'stopped'),
  release: (plan, _id, installation) => signalAll(plan, installation, 'CONT', 'continued'),
  cancel: (plan, _id, installation) => ({
    line: [...endAll(plan, installation), 'list'].join('\n'),
    parse: parseLeft,
  }),
};

/** A busy host or a slow file system takes its time; whoever dies meanwhile is seen at once. */
const START_SECONDS = 30;

/**
 * Find, adopt, else launch, in one script. Repeating it is harmless: the wrapper of a second launch refuses to start,
 * and the id is always the one that the started wrapper wrote.
 */
export function launchDetached(plan: JobPlan, installation: string): RemoteCommand<Launch> {
  const ledger = quote(ledgerDir(plan));
  return {
    line: [
      `ledger=${ledger}; state=${stateDir(installation)}`,
      'mkdir -p "$ledger" "$state/live" "$state/events" || exit 73',
      'said=adopted child=',
      'if [ ! -d "$ledger/started.1" ]; then',
      '  said=launched',
      '  [ -e "$ledger/cancelled" ] && { echo cancelled -; exit 0; }',
      `  echo "$ledger" > "$state/${plan.uuid}.tmp" && mv "$state/${plan.uuid}.tmp" "$state/live/${plan.uuid}" || exit 73`,
      `  cd ${quote(plan.paths.execDir)} || exit 73; ${FIND_SCRIPT}`,
      // the tag must stand in the environment that the process starts with: only that is seen in /proc
      `  KILIM_JOB=${quote(tagOf(installation, plan.uuid))} setsid bash "$script" < /dev/null > /dev/null 2>> "$ledger/wrapper.err" &`,
      '  child=$!',
      'fi',
      'exec 9<> <(:)', // a pipe that says nothing: waiting for it starts no process
      `while [ $SECONDS -lt ${START_SECONDS} ]; do`,
      '  [ -s "$ledger/pid" ] && read -r pid _ < "$ledger/pid" && { echo "$said $pid"; exit 0; }',
      // the start is another attempt's where that was quicker
      '  [ -z "$child" ] || [ -d "$ledger/started.1" ] || kill -0 "$child" 2> /dev/null || [ -d "$ledger/started.1" ] || break',
      '  read -rt 0.005 -u 9 _',
      'done',
      '[ -d "$ledger/started.1" ] || { tail -n 5 "$ledger/wrapper.err" >&2; echo "the job script did not start" >&2; exit 70; }',
      'echo "the job script started and wrote no process id" >&2; exit 70',
    ].join('\n'),
    parse: parseLaunch,
  };
}

const parseLaunch = (reply: Reply): Launch => {
  const [, said, id] = /^(launched|adopted|cancelled) (\d+|-)$/m.exec(reply.stdout) ?? [];
  if (reply.exitCode !== 0 || !said || !id) {
    const words = lastWords(reply);
    if (isDiskFull(words)) throw new KilimError('DISK_FULL', words);
    throw new KilimError('LAUNCH_FAILED', `The job could not be launched: ${words}`);
  }
  if (said === 'cancelled')
    throw new KilimError('LAUNCH_FAILED', 'The job was cancelled before it was launched.');
  return { remoteJobId: id, adopted: said === 'adopted' };
};

/** Every process of the job: by the tag in its environment, or by the wrapper's session. */
export const listProcesses = (plan: JobPlan, installation: string): string[] => [
  `ledger=${quote(ledgerDir(plan))}`,
  'sid=; [ -r "$ledger/pid" ] && read -r sid start node < "$ledger/pid"',
  'read -r here < /proc/sys/kernel/hostname',
  'elsewhere() { [ -z "$node" ] || [ "$node" = "$here" ] || [ -s "$ledger/exit" ] || echo "it runs on the node $node, and this login leads to $here"; }',
  // a session is only ours while its leader's start time is: a pid may have been used again
  '{ read -r s < "/proc/$sid/stat"; } 2> /dev/null && { set -- ${s##*) }; [ "${20}" = "$start" ] || sid=; }',
  'list() {',
  `  { grep -lsz ${quote(`^KILIM_JOB=${tagOf(installation, plan.uuid)}$`)} /proc/[0-9]*/environ | tr '\\0' '\\n' | cut -d/ -f3`,
  '    [ -n "$sid" ] && ps -o pid= -s "$sid" 2>/dev/null | tr -d " "',
  '  } | sort -nu | while read -r p; do',
  '    read -r s < "/proc/$p/stat" 2>/dev/null || continue',
  '    set -- ${s##*) }; [ "$1" = Z ] || [ "$1" = X ] || echo "$p"',
  '  done',
  '}',
];

const signalAll = (
  plan: JobPlan,
  installation: string,
  signal: string,
  verb: string,
): RemoteCommand<Held> => ({
  line: [
    ...listProcesses(plan, installation),
    'all=$(list); [ -n "$all" ] || { echo "0"; exit 0; }',
    `kill -${signal} $all; echo "$(echo "$all" | wc -l)"`,
  ].join('\n'),
  parse: ({ stdout }) => {
    const count = Number(stdout.trim().split('\n').at(-1) ?? 0) || 0;
    return { done: count > 0, said: `${count} process${count === 1 ? '' : 'es'} ${verb} (SIG${signal})` };
  },
});

/** TERM, a grace of five seconds, KILL; a job that was not launched yet never will be. */
export const endAll = (plan: JobPlan, installation: string): string[] => [
  ...listProcesses(plan, installation),
  `mkdir -p "$ledger/cancelled" 2>/dev/null`,
  'all=$(list); [ -n "$all" ] && { kill -TERM $all; kill -CONT $all; } 2>/dev/null',
  'for _ in {1..50}; do all=$(list); [ -z "$all" ] && break; sleep 0.1; done',
  'for _ in {1..20}; do all=$(list); [ -z "$all" ] && break; kill -KILL $all 2>/dev/null; sleep 0.1; done',
  `${dropEnv(plan)}; drop_env`,
  `rm -f ${stateDir(installation)}/live/${plan.uuid}`,
  'elsewhere',
];

export const parseLeft = ({ stdout }: Reply): Cancelled => ({
  left: stdout
    .split('\n')
    .filter((line) => line.trim() !== '')
    .slice(0, 100)
    .map((line) => line.slice(0, 300)),
});
