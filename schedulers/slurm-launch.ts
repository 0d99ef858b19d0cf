import { KilimError } from '../domain/errors.js';
import { FIND_SCRIPT, ledgerDir, stateDir } from '../domain/jobs/ledger.js';
import type { JobPlan } from '../domain/jobs/job-plan.js';
import { isDiskFull, lastWords, type RemoteCommand, type Reply } from '../domain/remote-command.js';
import { quote } from '../domain/shell.js';
import type { Launch } from './scheduler.js';
import { COMMENT_PREFIX, commentOf, sbatchOptions } from './slurm-directives.js';
import { UNFILTERED, unsetForSbatch } from './slurm-environment.js';

/** Seconds; the whole script must end before the host counts as stuck. */
const SBATCH_SECONDS = 30;
const SQUEUE_SECONDS = 10;
const SCRIPT_SECONDS = 115;

/**
 * Shell functions that print the Slurm ids of the job. `known`: what an earlier attempt or a start wrote down. `queue` and
 * `controller`: what squeue or scontrol says by the job's comment; they fail where Slurm does not answer.
 */
export const findFunctions = (plan: JobPlan, installation: string): string[] => [
  UNFILTERED,
  OTHERS,
  `ledger=${quote(ledgerDir(plan))}; state=${stateDir(installation)}; mark=${quote(commentOf(installation, plan.uuid))}`,
  'known() { local id=; for f in "$ledger/slurm" "$ledger/id"; do [ -s "$f" ] && read -r id < "$f" && [[ "$id" =~ ^[0-9]+$ ]] && echo "$id" && return; done; return 1; }',
  'queue() {',
  `  local said id tag; said=$(timeout -k 2 ${SQUEUE_SECONDS} squeue --me --states=all --noheader --format='%A %k' 2>&1) || { echo "$said" >&2; return 1; }`,
  '  while read -r id tag _; do [ "$tag" = "$mark" ] && echo "$id"; done <<< "$said"; return 0',
  '}',
  // some sites answer squeue from a cache; this reads the whole queue, and only where a submission was unclear
  'controller() {',
  `  local said; said=$(timeout -k 2 ${SQUEUE_SECONDS} scontrol show job -o 2>&1) || { echo "$said" >&2; return 1; }`,
  `  grep -E " Comment=$mark( |$)" <<< "$said" | sed -n 's/^JobId=\\([0-9]*\\).*/\\1/p'; return 0`,
  '}',
];

/**
 * Whether the job that scontrol described in `said` is another one: another job of Kilim, a job of another account, or one that
 * was submitted by hand with another script. Slurm gives a number a second time after a crash that took its last seconds.
 */
const OTHERS = [
  'others() {',
  `  [[ "$said" == *" Comment=${COMMENT_PREFIX}"* && "$said" != *" Comment=$mark"* ]] ||`,
  '  [[ "$said" =~ UserId=[[:graph:]]*\\(([0-9]+)\\) && ${BASH_REMATCH[1]} != "$EUID" ]] ||',
  '  [[ "$said" =~ [[:space:]]Command=(.*)[[:space:]]WorkDir= && ${BASH_REMATCH[1]} != */tapisjob.sh* ]]',
  '}',
].join('\n');

/**
 * Sets `ledger`, `mark` and `id`: the id of the Slurm job that started, else of the one that was submitted last. The job can
 * write anything into these files, so only a number is taken for an id: another word could be an option of Slurm's programs.
 */
export const idLine = (plan: JobPlan, remoteJobId: string, installation: string): string =>
  `${UNFILTERED}; ${OTHERS}; mark=${quote(commentOf(installation, plan.uuid))}; ledger=${quote(ledgerDir(plan))}; id=${quote(remoteJobId)}; for f in "$ledger/id" "$ledger/slurm"; do [ -s "$f" ] && read -r word < "$f" && [[ "$word" =~ ^[0-9]+$ ]] && id=$word; done`;

/**
 * Find, adopt, else submit, in one script. The intent is written before sbatch is called: without one nobody ever
 * submitted and the queue need not be asked; with one, only a queue that answers and does not know the job lets it
 * be submitted again. The job's own start guard stands behind all this.
 */
export function launchSlurm(plan: JobPlan, installation: string, forgotten = ''): RemoteCommand<Launch> {
  return {
    timeoutSeconds: SCRIPT_SECONDS,
    line: [
      ...findFunctions(plan, installation),
      'unsure() { echo "unsure -"; exit 0; }',
      // the lowest is kept: a second one can only be the late answer to an attempt that was given up
      'keep() {',
      '  id=$(sort -n <<< "$1" | head -n 1); for extra in $1; do [ "$extra" = "$id" ] || timeout 10 scancel "$extra"; done',
      '  echo "$id" > "$ledger/id.tmp" && mv "$ledger/id.tmp" "$ledger/id" || exit 73',
      // whoever cancels looks at the id after marking; whoever submits looks at the mark after writing the id
      '  [ -e "$ledger/cancelled" ] && { timeout 10 scancel "$id"; echo "cancelled -"; exit 0; }',
      '  echo "$2 $id"; exit 0',
      '}',
      'search() { local ids wait; for wait in 0 1 2; do sleep $wait; ids=$(queue) || unsure; [ -n "$ids" ] && keep "$ids" adopted; done',
      '  ids=$(controller) || unsure; [ -n "$ids" ] && keep "$ids" adopted; }',
      'mkdir -p "$ledger" "$state/events" || exit 73',
      // one at a time: an sbatch whose script was given up holds the lock as long as it lives; a file system without
      // locks is no reason to wait
      'if command -v flock > /dev/null; then exec 9> "$ledger/lock" || exit 73; flock -w 30 -E 75 9; [ $? -ne 75 ] || { echo "another attempt is under way" >&2; unsure; }; fi',
      // what was forgotten is not looked for, unless it started after all; its id stands until another takes its place
      `id=$(known) && { [ "$id" != ${quote(forgotten)} ] || [ -s "$ledger/slurm" ]; } && keep "$id" adopted`,
      '[ -e "$ledger/cancelled" ] && { echo "cancelled -"; exit 0; }',
      '[ -e "$ledger/intent" ] && search',
      ': > "$ledger/intent" || exit 73',
      `cd ${quote(plan.paths.execDir)} || exit 73; ${FIND_SCRIPT}`,
      unsetForSbatch([...sbatchOptions(plan, installation).keys()]),
      `said=$(timeout -k 5 ${SBATCH_SECONDS} sbatch "$script" 2> "$ledger/sbatch.err" < /dev/null); code=$?`,
      'id=; while read -r line; do [[ "$line" =~ ^Submitted\\ batch\\ job\\ ([0-9]+) ]] && id=${BASH_REMATCH[1]}; done <<< "$said"',
      '[ -n "$id" ] && keep "$id" launched',
      'cat "$ledger/sbatch.err" >&2',
      // a refusal in words is the end of it; everything else may have reached the controller
      `[ $code -eq 1 ] && ! grep -Eqi ${quote(UNSURE.source)} "$ledger/sbatch.err" && grep -q 'error:' "$ledger/sbatch.err" && { rm -f "$ledger/intent"; echo "refused -"; exit 0; }`,
      'echo "sbatch ended with $code and said: ${said:-nothing}" >&2',
      'search',
      'unsure',
    ].join('\n'),
    parse: parseLaunch,
  };
}

function parseLaunch(reply: Reply): Launch {
  const [, said, id] = /^(launched|adopted|cancelled|refused|unsure) (\d+|-)$/m.exec(reply.stdout) ?? [];
  if (id && (said === 'launched' || said === 'adopted'))
    return { remoteJobId: id, adopted: said === 'adopted' };
  const words = lastWords({ ...reply, stdout: '' });
  if (said === 'cancelled')
    throw new KilimError('LAUNCH_FAILED', 'The job was cancelled before it was launched.');
  if (said === 'refused') throw refusal(words);
  if (said === 'unsure')
    throw new KilimError('SCHEDULER_UNAVAILABLE', `Slurm gave no clear answer: ${words}`);
  if (isDiskFull(words)) throw new KilimError('DISK_FULL', words);
  throw new KilimError('LAUNCH_FAILED', `The job could not be submitted: ${words}`);
}

/** Words of a Slurm command after which it may have been done all the same. */
export const UNSURE =
  /timed out|unable to contact|zero bytes|connection (refused|reset|failure)|communication|transport endpoint|message receive failure|standby|not responding|temporarily unable|resource temporarily unavailable/;

/** A limit on how many, which passes when others end; one on how big or how long never passes. */
const LIMIT = /Max(Submit|Jobs)|Grp(Submit|Jobs)|Max(Job|Array)Count|maximum number of jobs|too many jobs/i;

/** Slurm refused in words: some refusals pass by themselves. */
export function refusal(words: string): KilimError {
  return LIMIT.test(words)
    ? new KilimError('SCHEDULER_LIMIT', `Slurm takes no more jobs now: ${words}`)
    : new KilimError('LAUNCH_FAILED', `Slurm refused the job: ${words}`);
}
