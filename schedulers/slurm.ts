import { KilimError } from '../domain/errors.js';
import { quote } from '../domain/shell.js';
import type { JobPlan } from '../domain/jobs/job-plan.js';
import { dropEnv } from '../domain/jobs/ledger.js';
import type { RemoteCommand } from '../domain/remote-command.js';
import { parseLeft } from './process-table.js';
import type { Held, Scheduler } from './scheduler.js';
import { sbatchOptions, slurmDirectives, slurmStreams } from './slurm-directives.js';
import { findFunctions, idLine, launchSlurm, UNSURE } from './slurm-launch.js';
import { slurmFaults } from './slurm-options.js';
import { settleSlurm, slurmSnapshot } from './slurm-settle.js';
import { OVER_WORDS } from './slurm-states.js';
import { wrapperScript } from './wrapper.js';

/** Slurm keeps the job: BATCH of everything (specification: jobs §6.8). */
export const slurm: Scheduler = {
  faults: (options, plan) => slurmFaults(options, plan.repeatable),
  script: (plan, phrase, installation) => {
    const options = sbatchOptions(plan, installation);
    return wrapperScript({
      plan,
      phrase: {
        ...phrase,
        run: options.has('--signal') ? `${WARNED}\n${phrase.run}` : phrase.run,
        after: [...phrase.after, ...MEMORY_WATCH],
      },
      installation,
      directives: slurmDirectives(plan, installation),
      redirect: null, // --output and --error do it
      streams: slurmStreams(plan),
      ...(options.has('--input') ? { input: '' } : {}),
      onStart: ['echo "$SLURM_JOB_ID" > "$ledger/slurm.tmp" && mv "$ledger/slurm.tmp" "$ledger/slurm"'],
      // a second Slurm job is refused as well; only a requeue is news about this one
      onRefusal: ['[ "${SLURM_RESTART_COUNT:-0}" -gt 0 ] && echo "$SLURM_RESTART_COUNT" > "$ledger/refused"'],
    });
  },
  launch: launchSlurm,
  snapshot: slurmSnapshot,
  settle: settleSlurm,
  hold: (plan, remoteJobId, installation) => ordering(plan, remoteJobId, installation, HOLD),
  release: (plan, remoteJobId, installation) => ordering(plan, remoteJobId, installation, RELEASE),
  cancel: cancelSlurm,
};

/** A signal reaches the shell around the application as well, which must not die of a warning that the application takes. */
const WARNED = 'trap : HUP QUIT USR1 USR2 INT TERM';

/**
 * An application may end well although the kernel killed a part of it; Slurm then says OUT_OF_MEMORY. With `by` set the
 * end is not taken for good before Slurm was asked. Cgroup v1 and v2; elsewhere nothing is found and nothing is lost.
 */
const MEMORY_WATCH = [
  '{ while IFS=: read -r _ kind group; do',
  '  for file in /sys/fs/cgroup/memory"$group"/memory.oom_control /sys/fs/cgroup"$group"/memory.events; do',
  '    [ "$kind" = memory ] || [ -z "$kind" ] || continue; [ -r "$file" ] || continue',
  '    while read -r word times; do [ "$word" = oom_kill ] && [ "$times" -gt 0 ] && by=OOM; done < "$file"',
  '  done',
  'done < /proc/self/cgroup; } 2> /dev/null',
];

const HOLD = [
  'case $state in',
  'PENDING) word=hold; done="Slurm job $id held in the queue (scontrol hold)" ;;',
  'RUNNING) word=suspend; done="Slurm job $id suspended (scontrol suspend)" ;;',
  'SUSPENDED) echo "yes Slurm job $id is suspended"; exit 0 ;;',
  '*) echo "no Slurm job $id is ${state:-not known to Slurm}"; exit 0 ;;',
  'esac',
];

const RELEASE = [
  'case $state in',
  'PENDING) word=release; done="Slurm job $id released (scontrol release)" ;;',
  'SUSPENDED) word=resume; done="Slurm job $id resumed (scontrol resume)" ;;',
  '*) echo "yes Slurm job $id is ${state:-not known to Slurm}"; exit 0 ;;',
  'esac',
];

/**
 * Plain users may hold what waits; what runs may be suspended by operators only, and the answer says so.
 * @throws KilimError SCHEDULER_UNAVAILABLE where nobody knows whether the order reached Slurm: it is given again
 */
const ordering = (
  plan: JobPlan,
  remoteJobId: string,
  installation: string,
  choice: string[],
): RemoteCommand<Held> => ({
  line: [
    idLine(plan, remoteJobId, installation),
    'said=$(timeout -k 2 10 scontrol show job -o "$id" 2>&1) || [[ "$said" == *"Invalid job id"* ]] || { echo "unsure $said"; exit 0; }',
    'others && said=',
    '[[ "$said" =~ JobState=([A-Z_]+) ]] && state=${BASH_REMATCH[1]} || state=',
    ...choice,
    'said=$(timeout -k 2 10 scontrol $word "$id" 2>&1) && { echo "yes $done"; exit 0; }',
    'case $word:$said in',
    'suspend:*ermission*) echo "no Slurm job $id goes on running, because this site lets only operators suspend it; only the steps of Kilim are paused"; exit 0 ;;',
    // held by an administrator as well: it waits in the queue, and its reason says so
    'release:*ermission*) echo "no $said"; exit 0 ;;',
    `hold:?*|suspend:?*) grep -Eqi ${quote(UNSURE.source)} <<< "$said" || { echo "no Slurm job $id goes on, because Slurm says: $said; only the steps of Kilim are paused"; exit 0; } ;;`,
    'esac',
    'echo "unsure ${said:-nothing within 10 s}"',
  ].join('\n'),
  parse: ({ stdout, stderr }) => {
    const [, word, said = ''] = /^(yes|no|unsure) (.*)/s.exec(stdout.trim()) ?? [];
    const words = (said || stderr).trim().slice(0, 400);
    if (word === 'yes' || word === 'no') return { done: word === 'yes', said: words };
    throw new KilimError('SCHEDULER_UNAVAILABLE', `Slurm did not take the order; it says: ${words}`);
  },
});

/** Ends every Slurm job that carries the tag and waits until Slurm says so; a later start is refused by the mark. */
function cancelSlurm(plan: JobPlan, remoteJobId: string | null, installation: string) {
  return {
    timeoutSeconds: 58,
    line: [
      ...findFunctions(plan, installation),
      `mkdir -p "$ledger/cancelled" 2>/dev/null`,
      `${dropEnv(plan)}; drop_env`,
      `ids=$({ echo ${quote(remoteJobId ?? '')}; known; } | sort -nu | grep .)`,
      // only an attempt to submit can have left a job whose number nobody wrote down
      'if [ -z "$ids" ] && [ -e "$ledger/intent" ]; then',
      '  ids=$(queue) && { [ -n "$ids" ] || ids=$(controller); } || { echo "nobody knows: Slurm does not answer"; exit 0; }; fi',
      '[ -n "$ids" ] || exit 0',
      'mine=; for id in $ids; do said=$(timeout -k 2 10 scontrol show job -o "$id" 2>&1); others || mine="$mine $id"; done',
      'ids=$mine; [ -n "$ids" ] || exit 0',
      'left() {',
      '  local said; for id in $ids; do',
      '    said=$(timeout -k 2 10 scontrol show job -o "$id" 2>&1)',
      '    if [[ "$said" =~ JobState=([A-Z_]+) ]]; then',
      `      case \${BASH_REMATCH[1]} in ${OVER_WORDS.join('|')}) ;; *) echo "Slurm job $id is \${BASH_REMATCH[1]}" ;; esac`,
      '    elif [[ "$said" != *"Invalid job id"* ]]; then echo "Slurm job $id, perhaps: ${said:-no answer within 10 s}"; fi',
      '  done',
      '}',
      'said=$(timeout -k 2 10 scancel $ids 2>&1); code=$?; began=$SECONDS',
      // what scancel could not tell Slurm is for the next try, and a Slurm that is away takes long over each answer
      'until all=$(left); [ -z "$all" ]; do [ $code -eq 0 ] && [ $((SECONDS - began)) -lt 20 ] && sleep 0.5 || break; done',
      '[ -z "$all" ] && exit 0; echo "$all"',
      '[ $code -eq 0 ] || echo "${said:-scancel gave no answer within 10 s}"',
    ].join('\n'),
    parse: parseLeft,
  };
}
