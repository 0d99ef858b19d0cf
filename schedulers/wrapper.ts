import { dropEnv, ledgerDir, stateDir, tagOf } from '../domain/jobs/ledger.js';
import type { JobPlan } from '../domain/jobs/job-plan.js';
import { moduleLines } from '../domain/jobs/module-lines.js';
import type { RunPhrase } from '../domain/run-phrase.js';
import { showStreams, type Stream } from '../domain/jobs/streams.js';
import { quote } from '../domain/shell.js';
import { endingGroup } from './ending-group.js';
import { measureLines } from './measure.js';

/** Signals that the wrapper hands on. */
const WARNINGS = ['HUP', 'QUIT', 'USR1', 'USR2'];

export interface WrapperParts {
  plan: JobPlan;
  phrase: RunPhrase;
  installation: string;
  /** Lines directly under the first one: comments or scheduler directives. */
  directives: string[];
  /** Where the application's output goes; null where the scheduler takes it. */
  redirect: string | null;
  /** The outputs that the job has in its ledger. */
  streams: readonly Stream[];
  /** Where its input comes from; empty where the scheduler gives it. */
  input?: string;
  /** Lines that run once the start is this script's own. */
  onStart?: string[];
  /** Lines that run where a second start is refused. */
  onRefusal?: string[];
}

/**
 * The script that runs on the execution host and tells the truth about the run. It
 * refuses a second start (`mkdir` is atomic, on NFS too), runs the application in its own process group and
 * waits for it, records the exit code (temporary file, rename), and only then tells the watcher.
 */
export const wrapperScript = ({
  plan,
  phrase,
  installation,
  directives,
  redirect,
  streams,
  input = '< /dev/null',
  onStart = [],
  onRefusal = [],
}: WrapperParts): string =>
  [
    '#!/bin/bash',
    ...directives,
    `# Kilim job ${plan.uuid}: ${plan.appId} ${plan.appVersion}`,
    `ledger=${quote(ledgerDir(plan))}`,
    `state=${stateDir(installation)}`,
    'now() { if [ -n "$EPOCHREALTIME" ]; then local t=${EPOCHREALTIME/[.,]/}; echo "${t%???}"; else date +%s%3N; fi; }',
    `tell() { echo "${plan.uuid} $attempt $1 $2 $(now)\${3:+ $3}" >> "$state/events/\${HOSTNAME%%.*}.log"; } 2>/dev/null`,
    dropEnv(plan),
    showStreams(plan, streams),
    ...(isLong(phrase) ? [OWN_PATH] : []),
    'attempt=1',
    ...startGuard(plan.repeatable, onRefusal),
    ...onStart,
    '[ -e "$ledger/cancelled" ] && { drop_env; exit 143; }',
    // the word of an earlier run, or of an earlier job in the same directory, is not this one's; that job may still need it
    `said() { [ -r ${exitWord(plan)} ] && stat -c '%i %y %z' -- ${exitWord(plan)}; } 2> /dev/null; said_before=$(said)`,
    'read -r stat < "/proc/$$/stat"; set -- ${stat##*) }',
    // pid and start time together are safe against a pid that is used again; a login name may lead to many nodes
    'read -r node < /proc/sys/kernel/hostname',
    'echo "$$ ${20} $node" > "$ledger/pid.tmp" && mv "$ledger/pid.tmp" "$ledger/pid"',
    // room for the record of the end, which is written over it: the application may fill the disk
    `printf '%200s\\n' '' > "$ledger/exit.tmp"`,
    'begin=$(now)',
    'tell START -',
    `export KILIM_JOB=${quote(tagOf(installation, plan.uuid))}`,
    `cd ${quote(plan.paths.execDir)} || exit 73`,
    ...moduleLines(plan),
    'code=0 by= left=- own=- app=',
    // an output that Kilim opens is there before the application writes to it
    ...(redirect === null ? [] : streams.map(({ file }) => `: > ${quote(file)}`)),
    'show_streams now',
    ...phrase.before.map((line) => `[ $code -eq 0 ] && { ${line}; } || code=$?`),
    'if [ $code -eq 0 ]; then',
    '  set -m # the application gets a process group of its own',
    // in a shell of its own: a slip in the user's arguments must not stop this one from recording it
    `  ${shellOf(phrase)} ${[input, redirect].filter(Boolean).join(' ')} &`,
    '  app=$!',
    '  set +m',
    '  trap \'by=TERM; again=1; kill -TERM -- "-$app" 2>/dev/null\' TERM INT',
    // a warning is for the application, as by sbatch's --signal: what it makes of it is its own affair
    ...WARNINGS.map((name) => `  trap 'again=1; kill -${name} -- "-$app" 2>/dev/null' ${name}`),
    '  while :; do again=; wait "$app"; code=$?; [ -n "$again" ] || break; done # a trap ended the wait, not the application',
    'fi',
    'end=$(now)',
    ...endingGroup(plan),
    ...measureLines(plan),
    ...phrase.after,
    // the application may overrule its own exit code (specification: jobs §6.1), which is kept: another job may have said it
    `after=$(said); [ "$after" != "$said_before" ] && read -r after < ${exitWord(plan)} && [[ "$after" =~ ^-?[0-9]{1,9}$ ]] && [ "$after" -ne "$code" ] && own=$code code=$after`,
    'show_streams',
    // a run of a repeatable application that was ended by a signal may be started again, and needs the file then
    plan.repeatable ? '[ -n "$by" ] || drop_env' : 'drop_env',
    // then: of which run by Slurm's count this is, how many processes were ended with it, and its code before it was overruled
    'echo "$code $begin $end ${by:--} $cpu $peak ${SLURM_RESTART_COUNT:-0} $left $own" 1<> "$ledger/exit.tmp" && mv "$ledger/exit.tmp" "$ledger/exit"',
    `rm -f "$state/live/${plan.uuid}"`,
    // a good end after a signal is for the keeper to judge: it may have been the time limit. So is an end with more to tell
    '[ -n "${by}${own#-}${left#-}" ] && tell END - || tell END "$code" "$((end - begin)) $cpu $peak"',
    'exit "$((code & 255))"',
    ...(isLong(phrase) ? [RUN_MARK, phrase.run] : []),
    '',
  ].join('\n');

/** Bytes; Linux takes no argument above 128 KiB. */
const LONGEST_RUN = 100_000;
const RUN_MARK = '# The run:';

const isLong = ({ run }: RunPhrase): boolean => new TextEncoder().encode(run).length > LONGEST_RUN;

/** Of the script, which Slurm copies, and which is read again in another directory. */
const OWN_PATH = 'script=$0; [[ "$script" = /* ]] || script=$PWD/$script';

/**
 * The shell that runs the application. A run that is no argument stands behind the end of the script and comes through a pipe,
 * which is closed before the application begins. That shell stays, so that it must not die of what only warns the application.
 */
const shellOf = (phrase: RunPhrase): string =>
  isLong(phrase)
    ? `bash -c ${quote('trap : HUP QUIT USR1 USR2 INT TERM; eval "$(cat <&3)" 3<&-')} 3< <(sed ${quote(`1,/^${RUN_MARK}$/d`)} "$script")`
    : `bash -c -- ${quote(phrase.run)}`;

const exitWord = ({ paths }: JobPlan): string => quote(`${paths.outputDir}/tapisjob.exitcode`);

const startGuard = (repeatable: boolean, onRefusal: string[]): string[] =>
  repeatable
    ? [
        'until mkdir "$ledger/started.$attempt" 2>/dev/null; do [ -d "$ledger" ] || exit 73; attempt=$((attempt + 1)); done',
        'rm -f "$ledger/exit"', // of a run that was ended to be started again
      ]
    : [
        'if ! mkdir "$ledger/started.1" 2>/dev/null; then',
        // a full disk is no earlier start
        '  [ -d "$ledger/started.1" ] || { echo "The start could not be written down in $ledger" >&2; exit 73; }',
        '  tell REFUSED -',
        ...onRefusal.map((line) => `  ${line}`),
        '  exit 0 # somebody started this job before: never twice',
        'fi',
      ];
