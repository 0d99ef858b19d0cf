import type { JobPlan } from '../domain/jobs/job-plan.js';
import { envFileOf } from '../domain/jobs/ledger.js';
import type { RunPhrase } from '../domain/run-phrase.js';
import { quote } from '../domain/shell.js';
import { singularityFaults } from './image-names.js';
import { optionFaults, phraseOptions } from './options.js';
import type { Runtime } from './runtime.js';
import { FIND_TOOL, imageLines, imageWord, prepareImage } from './singularity-image.js';
import { INSTANCE_OPTIONS, RUN_OPTIONS } from './singularity-options.js';

/** The legacy kind: the application is the start script of an instance. */
const isInstance = ({ runtimeOptions }: Pick<JobPlan, 'runtimeOptions'>): boolean =>
  runtimeOptions.includes('SINGULARITY_START');

const optionsOf = (plan: Pick<JobPlan, 'runtimeOptions'>) =>
  isInstance(plan) ? INSTANCE_OPTIONS : RUN_OPTIONS;

/** A container of Singularity or Apptainer: `run` as the user's own process, `instance start` as a service (jobs §6.4–6.6). */
export const singularity: Runtime = {
  faults: (plan) => [
    ...singularityFaults(plan.containerImage),
    ...optionFaults(optionsOf(plan), plan.containerArgs),
  ],
  prepare: prepareImage,
  // the program reads the file with a shell of its own, in which an apostrophe passes between double quotes only
  envFile: (_plan, env) =>
    Object.entries(env)
      .map(([key, value]) => `${key}="${value.replace(/[\\"$`]/g, '\\$&')}"\n`)
      .join(''),
  phrase: (plan) => (isInstance(plan) ? instance(plan) : run(plan)),
};

const before = (plan: JobPlan): string[] => [
  FIND_TOOL,
  // else the container's start script would expand the values of the environment once more
  'export APPTAINER_NO_EVAL=1 SINGULARITY_NO_EVAL=1',
  ...imageLines(plan),
];

const command = (plan: JobPlan, verb: string, ...own: string[]): string =>
  [
    plan.prefix,
    `"$tool" ${verb}`,
    `--env-file ${quote(envFileOf(plan))}`,
    // the job's tag, also where the container gets a clean environment
    '--env KILIM_JOB="$KILIM_JOB"',
    ...own,
    // for pulls only; a run of an image that is there warns of it
    ...phraseOptions(optionsOf(plan), plan.containerArgs).filter((option) => option !== '--nohttps'),
    '--',
    imageWord(plan),
  ]
    .filter(Boolean)
    .join(' ');

/** Arguments stay raw by design: users bring their own quotes (jobs §6.2). */
const args = ({ appArgs }: JobPlan): string => appArgs.map(({ arg }) => ` ${arg}`).join('');

const run = (plan: JobPlan): RunPhrase => ({
  before: before(plan),
  run: `${command(plan, 'run')}${args(plan)}`,
  after: [],
});

/** Its start script has no exit code that anybody could see: only `tapisjob.exitcode` tells of a failure. */
const instance = (plan: JobPlan): RunPhrase => {
  const pidFile = quote(`${plan.paths.execDir}/${plan.uuid}.pid`);
  const log = (stream: string): string =>
    `$("$tool" instance list --json ${plan.uuid} | sed -n 's/.*"log${stream}Path": *"\\(.*\\)".*/\\1/p')`;
  return {
    before: before(plan),
    run: [
      `${command(plan, '--quiet instance start', `--pid-file ${pidFile}`)} ${plan.uuid}${args(plan)} || exit 125`,
      `read -r init < ${pidFile} || exit 125`,
      `tail -n +1 -F --pid="$init" "${log('Out')}" 2> /dev/null &`,
      `tail -n +1 -F --pid="$init" "${log('Err')}" 2> /dev/null >&2 &`,
      // the instance outlives its start script, which is the child of its first process
      'while [ -n "$(ps -o pid= --ppid "$init")" ]; do sleep 0.2; done',
      `"$tool" instance stop ${plan.uuid} > /dev/null 2>&1`,
      'wait',
    ].join('\n'),
    after: [`"$tool" instance stop ${plan.uuid} > /dev/null 2>&1`],
  };
};
