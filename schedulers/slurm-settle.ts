import type { JobCondition } from '../domain/jobs/condition.js';
import type { JobPlan } from '../domain/jobs/job-plan.js';
import type { Forgotten, RemoteEnd, RemoteState, Snapshot } from '../domain/jobs/remote.js';
import { usageOf, type Usage } from '../domain/jobs/usage.js';
import type { RemoteCommand, Reply } from '../domain/remote-command.js';
import { besideOf, endOf, linesOf, LOOK_BYTES } from './ledger-states.js';
import { commentOf } from './slurm-directives.js';
import { UNFILTERED } from './slurm-environment.js';
import { idLine } from './slurm-launch.js';
import { meaningOfState, OVER_WORDS } from './slurm-states.js';

/** Seconds that the scheduler's word is waited for when our own record says that the run ended with an error. */
const WORD_SECONDS = 30;
/** Seconds that a job may be known to nobody: our record may come late over a shared file system. */
const LOST_SECONDS = 120;
/** The start guard stands behind a second submission, so that a start that shows late does no harm. */
const FORGOTTEN_SECONDS = 20;
/** Two ages of one instant, each by its own clock in whole seconds, may differ by this. */
const CLOCK_SECONDS = 2;

/** One `squeue` for all jobs of the login user; jobs of others and of other installations have another comment. */
export const slurmSnapshot = (installation: string): RemoteCommand<Snapshot> => ({
  line: `${UNFILTERED}; timeout -k 2 20 squeue --me --local --states=all --noheader --format='%T|%r|%k'`,
  maxReplyBytes: LOOK_BYTES,
  parse: (reply) => parseSnapshot(reply, installation),
});

function parseSnapshot({ stdout, stderr, exitCode }: Reply, installation: string): Snapshot {
  if (exitCode !== 0) throw new Error(`squeue ended with ${exitCode ?? 'a signal'}: ${stderr.slice(0, 300)}`);
  const snapshot: Snapshot = {};
  const mine = commentOf(installation, '');
  for (const line of linesOf(stdout)) {
    if (!line.includes(mine)) continue; // a job of another installation or account, and there may be many
    const [word = '', reason = '', ...comment] = line.split('|');
    const [tag = ''] = comment.join('|').split(' ');
    if (!tag.startsWith(mine)) continue;
    snapshot[tag.slice(mine.length)] = stateOf(word, reason);
  }
  return snapshot;
}

const stateOf = (word: string, reason: string): RemoteState => {
  const meaning = meaningOfState(word);
  if (!meaning) return { is: 'unknown', why: `Slurm says ${word}, which is no state that is known` };
  if (meaning.is === 'queued') return { is: 'queued', reason: queueWords(word, reason) };
  // how it ended is settled from its record; the queue only tells that it did
  return meaning.is === 'over' ? { is: 'over', exitCode: null, word } : { is: meaning.is };
};

const queueWords = (word: string, reason: string): string =>
  reason === '' || reason === 'None' ? word : `${word}: ${reason}`;

/**
 * The last word on one job. Our own record gives the exit code, and an end with 0 needs nobody else; for the condition
 * the scheduler is asked, and its accounting where that works. Who is in no list is unknown, for a while.
 */
export const settleSlurm = (
  plan: JobPlan,
  remoteJobId: string,
  installation: string,
): RemoteCommand<RemoteState | Forgotten> => ({
  line: [
    idLine(plan, remoteJobId, installation),
    // since this file was first asked for; both instants come from the clock of the file system, whatever the nodes' say
    'age() {',
    '  [ -e "$1" ] || touch "$1"; touch "$ledger/now"; local first now',
    '  first=$(stat -c %Y "$1"); now=$(stat -c %Y "$ledger/now"); echo $((now - first))',
    '} 2>/dev/null',
    'has_exit() { [ -s "$ledger/exit" ] && read -r code begin end by cpu peak restart left own < "$ledger/exit" && by=${by#-} cpu=${cpu:--} peak=${peak:--}; }',
    'has_exit && [ "$code$by" = 0 ] && { echo "exit 0 $begin $end 0 $cpu $peak $left $own"; exit 0; }',
    '[ -s "$ledger/refused" ] && read -r times < "$ledger/refused" && echo "refused $times"',
    'word() { [[ "$said" =~ (^|[[:space:]])$1=([^[:space:]]*) ]] && echo "${BASH_REMATCH[2]}"; }',
    'ask() { said=$(timeout -k 2 10 scontrol show job -o "$id" 2>&1); others && said="Invalid job id: it is of another job"; state=$(word JobState); restarts=$(word Restarts); }',
    'ask',
    // where another run may come, the record of the one before a requeue says nothing; Slurm counts when it requeues
    plan.repeatable
      ? 'of_this_run() { has_exit && [ "${restart:-0}" -ge "${restarts:-0}" ]; }'
      : 'of_this_run() { has_exit; }',
    // the wrapper ends right after its record
    'of_this_run && for _ in {1..8}; do case $state in RUNNING|COMPLETING) sleep 0.25; ask ;; *) break ;; esac; done',
    'if of_this_run; then echo "exit $code $begin $end $(age "$ledger/exit.seen") $cpu $peak $left $own"',
    'else rm -f "$ledger/exit.seen"; fi',
    'if [ -n "$state" ]; then echo "slurm $state $(word Reason) $(word ExitCode) $(word RunTime)"',
    'elif [[ "$said" == *"Invalid job id"* ]]; then echo gone; state=gone',
    'else echo "silent ${said//$\'\\n\'/ }"; exit 0; fi',
    `case $state in ${OVER_WORDS.join('|')}|gone) ;; *) rm -f "$ledger/lost"; exit 0 ;; esac`,
    'of_this_run || echo "lost $(age "$ledger/lost")"',
    ...CONTROLLER_AGES,
    ...FORGOTTEN,
    ...ACCOUNTING,
    'case $state in CANCELLED*|gone) accounted ;; esac',
    'exit 0',
  ].join('\n'),
  timeoutSeconds: 45,
  parse: parseSettled,
});

/**
 * The clocks of the controller and of the file system may differ, so that each is only asked for ages by its own clock. Sets
 * `now` (the time of the controller's clock), `up` (the seconds since slurmctld started) and `waited` (the seconds since the
 * job's first file was written).
 */
const CONTROLLER_AGES = [
  'export SLURM_TIME_FORMAT=%s; up=; now=', // a local time without its zone is ambiguous for an hour of each year
  'epoch() { case $1 in *[!0-9]*) date -d "$1" +%s ;; ?*) echo "$1" ;; *) return 1 ;; esac; } 2> /dev/null',
  'case $state in CANCELLED*|gone)',
  '  config=$(timeout -k 2 10 scontrol show config 2> /dev/null) &&',
  '    now=$(epoch "$(sed -n "s/^Configuration data as of //p" <<< "$config")") &&',
  '    boot=$(epoch "$(sed -n "s/^BOOT_TIME *= *//p" <<< "$config")") && up=$((now - boot)) ;;',
  'esac',
  'first=$(stat -c %Y "$ledger"/* 2> /dev/null | sort -n | head -n 1); touch "$ledger/now"',
  'waited=$(($(stat -c %Y "$ledger/now") - ${first:-0}))',
];

/**
 * A crash takes the last seconds of slurmctld's memory. The job is forgotten where slurmctld started after the job was handed
 * to it, does not know the job, and the job never started.
 */
const FORGOTTEN = [
  'forgotten() { [ $state = gone ] && [ -n "$up" ] && [ -s "$ledger/id" ] && [ ! -e "$ledger/started.1" ] && [ "$up" -le "$(age "$ledger/id")" ]; }',
  'lost_in_crash=; forgotten && { lost_in_crash=yes; echo forgotten; }',
];

/**
 * Accounting remembers longer, and says whether an order ended the job; slurmdbd needs a moment, and some sites have none. It
 * may know several jobs by this number, since a crash lets Slurm give one again: a record from before the job was staged
 * is of an earlier job, and one that came to a controller which had already forgotten the job is of a later one.
 */
const ACCOUNTING = [
  'accounted() {',
  '  local at rest old last=; while IFS="|" read -r at rest; do',
  '    if [ -n "$now" ]; then',
  '      at=$(epoch "$at") || continue; old=$((now - at))',
  `      [ $old -le $((waited + ${CLOCK_SECONDS})) ] || continue`,
  '      [ -z "$lost_in_crash" ] || [ $old -gt "$up" ] || continue',
  '    fi; last=$rest',
  '  done < <(timeout -k 2 10 sacct -X -n -P -D -j "$id" -o Submit,State,ExitCode 2> /dev/null)',
  '  [ -z "$last" ] || echo "acct $last"',
  '}',
];

/** What the script said, each part absent where it was not said. */
interface Said {
  /** `age`: seconds since the record was first seen. */
  exit?: {
    code: number;
    elapsedMs: number;
    age: number;
    usage: Usage | undefined;
    beside: ReturnType<typeof besideOf>;
  };
  refused?: string;
  slurm?: { word: string; reason: string; exit: string; ran: string };
  gone?: true;
  /** Seconds since the run was first seen to be over without a record of ours. */
  lost?: number;
  /** Slurm began anew since the job was handed to it, does not know it, and it never started. */
  forgotten?: true;
  silent?: string;
  acct?: { word: string; exit: string };
}

const exitOf = (code: number, elapsedMs: number, age: number, [cpu, peak, left, own]: (string | undefined)[]) => ({
  code, elapsedMs, age, usage: usageOf(elapsedMs, cpu, peak), beside: besideOf(left, own),
}); // prettier-ignore

function read(stdout: string): Said {
  const said: Said = {};
  for (const line of stdout.split('\n')) {
    const [what, ...words] = line.split(' ');
    const [one = '', two = '', three = '', four = '', ...rest] = words;
    if (what === 'exit' && Number.isInteger(Number(one)))
      said.exit = exitOf(Number(one), Number(three) - Number(two), Number(four), rest);
    else if (what === 'refused') said.refused = one;
    else if (what === 'slurm') said.slurm = { word: one, reason: two, exit: three, ran: four };
    else if (what === 'gone') said.gone = true;
    else if (what === 'lost') said.lost = Number(one);
    else if (what === 'forgotten') said.forgotten = true;
    else if (what === 'silent') said.silent = words.join(' ');
    else if (what === 'acct') {
      const [word = '', exit = ''] = words.join(' ').split('|');
      said.acct = { word, exit };
    }
  }
  return said;
}

function parseSettled({ stdout, exitCode, stderr }: Reply): RemoteState | Forgotten {
  const said = read(stdout);
  if (said.silent !== undefined) return unknown(`Slurm does not answer: ${said.silent}`);
  if (!said.slurm && !said.gone)
    return said.exit?.code === 0
      ? endOfRecord(said.exit)
      : unknown(`the host said nothing about the job (${exitCode ?? 'signal'}): ${stderr.slice(0, 300)}`);
  const now = said.slurm ? meaningOfState(said.slurm.word) : null;
  if (said.slurm && !now) return unknown(`Slurm says ${said.slurm.word}, which is no state that is known`);
  if (now && now.is !== 'over') {
    if (said.exit && said.exit.age >= WORD_SECONDS) return ended(said, null);
    if (now.is === 'queued')
      return { is: 'queued', reason: queueWords(said.slurm?.word ?? '', said.slurm?.reason ?? '') };
    const ranMs = now.is === 'running' ? runTime(said.slurm?.ran ?? '') : null;
    return ranMs === null ? now : { is: 'running', ranMs };
  }
  const acct = said.acct ? meaningOfState(said.acct.word) : null;
  // where accounting still has the forgotten job itself, and says how it ended, that is the end of it
  if (said.forgotten && !(acct?.is === 'over' && acct.condition))
    return (said.lost ?? 0) >= FORGOTTEN_SECONDS ? { is: 'forgotten' } : unknown(FORGOT);
  if (acct?.is === 'over') return ended(said, acct.condition, said.acct?.word);
  return ended(said, now?.condition ?? null, said.slurm?.word);
}

/** Slurm's `RunTime` of this run, without what it was suspended: `[days-]hours:minutes:seconds`, in milliseconds. */
function runTime(text: string): number | null {
  const [, days = '0', hours, minutes, seconds] = /^(?:(\d+)-)?(\d+):(\d+):(\d+)$/.exec(text) ?? [];
  return hours === undefined
    ? null
    : (((Number(days) * 24 + Number(hours)) * 60 + Number(minutes)) * 60 + Number(seconds)) * 1000;
}

const unknown = (why: string): RemoteState => ({ is: 'unknown', why });

const endOfRecord = ({ code, elapsedMs, usage, beside }: NonNullable<Said['exit']>): RemoteEnd => ({
  ...endOf(code, elapsedMs, usage),
  ...beside,
});

/** Our own record beats the scheduler's numbers; `condition` is null where the scheduler has nothing bad to say. */
function ended(said: Said, condition: JobCondition | null, word?: string): RemoteState {
  const worded = word ? { word } : {};
  if (said.exit) {
    const end = endOfRecord(said.exit);
    if (said.exit.code === 0 && !condition) return end;
    return { ...end, ...worded, condition: condition ?? 'SCHEDULER_TERMINATED' };
  }
  if (said.refused !== undefined)
    return { is: 'over', exitCode: null, word: REFUSED_START, condition: 'SCHEDULER_TERMINATED' };
  if (condition) return { ...endOfSlurm(said.acct?.exit || said.slurm?.exit || ''), ...worded, condition };
  if ((said.lost ?? 0) >= LOST_SECONDS)
    return { is: 'over', exitCode: null, word: word ? `Slurm only says ${word}` : 'no record is left' };
  return unknown(
    word
      ? `Slurm says ${word}, and the job's own record is not there yet`
      : 'Slurm does not know the job any more, and it left no record yet',
  );
}

/** Slurm's `code:signal`; `0:0` of a run that failed says nothing. */
function endOfSlurm(text: string): RemoteEnd {
  const [code = 0, signal = 0] = text.split(':').map(Number);
  if (code > 0) return endOf(code);
  // above the signals of the kernel are marks of Slurm's own, as 125 for memory
  return signal > 0 && signal <= 64 ? endOf(128 + signal) : { is: 'over', exitCode: null };
}

const FORGOT = 'Slurm began anew and does not know the job any more; it is submitted again if that stays so';
const REFUSED_START =
  'it started the job a second time, and that was refused because the application is not repeatable';
