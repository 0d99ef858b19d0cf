import { dropEnv, ledgerDir, stateDir, tagOf } from '../domain/jobs/ledger.js';
import type { JobPlan } from '../domain/jobs/job-plan.js';
import { moduleLines } from '../domain/jobs/module-lines.js';
import type { RunPhrase } from '../domain/run-phrase.js';
import { quote } from '../domain/shell.js';
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
    'attempt=1',
    ...startGuard(plan.repeatable, onRefusal),
    ...onStart,
    '[ -e "$ledger/cancelled" ] && { drop_env; exit 143; }',
    // the word of an earlier run, or of an earlier job in the same directory, is not this one's
    `rm -f ${exitWord(plan)} 2> /dev/null`,
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
    'code=0 by=',
    ...phrase.before.map((line) => `[ $code -eq 0 ] && { ${line}; } || code=$?`),
    'if [ $code -eq 0 ]; then',
    '  set -m # the application gets a process group of its own',
    // in a shell of its own: a slip in the user's arguments must not stop this one from recording it
    `  bash -c -- ${quote(phrase.run)} ${[input, redirect].filter(Boolean).join(' ')} &`,
    '  app=$!',
    '  set +m',
    '  trap \'by=TERM; again=1; kill -TERM -- "-$app" 2>/dev/null\' TERM INT',
    // a warning is for the application, as by sbatch's --signal: what it makes of it is its own affair
    ...WARNINGS.map((name) => `  trap 'again=1; kill -${name} -- "-$app" 2>/dev/null' ${name}`),
    '  while :; do again=; wait "$app"; code=$?; [ -n "$again" ] || break; done # a trap ended the wait, not the application',
    'fi',
    'end=$(now)',
    ...measureLines(plan),
    ...phrase.after,
    // the application may overrule its own exit code (specification: jobs §6.1)
    `own=; [ -r ${exitWord(plan)} ] && read -r own < ${exitWord(plan)}`,
    '[[ "$own" =~ ^-?[0-9]{1,9}$ ]] && code=$own',
    // a run of a repeatable application that was ended by a signal may be started again, and needs the file then
    plan.repeatable ? '[ -n "$by" ] || drop_env' : 'drop_env',
    // the last number says of which run by Slurm's count this is
    'echo "$code $begin $end ${by:--} $cpu $peak ${SLURM_RESTART_COUNT:-0}" 1<> "$ledger/exit.tmp" && mv "$ledger/exit.tmp" "$ledger/exit"',
    `rm -f "$state/live/${plan.uuid}"`,
    // a good end after a signal is for the keeper to judge: it may have been the time limit
    '[ -n "$by" ] && tell END - || tell END "$code" "$((end - begin)) $cpu $peak"',
    'exit "$((code & 255))"',
    '',
  ].join('\n');

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
