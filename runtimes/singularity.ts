import type { JobPlan } from '../domain/jobs/job-plan.js';
import { moduleLines } from '../domain/jobs/module-lines.js';
import { lastWords } from '../domain/remote-command.js';
import type { RunPhrase } from '../domain/run-phrase.js';
import { quote } from '../domain/shell.js';
import { failsAs } from './fails-as.js';
import { optionFaults, parseOption, type OptionTable } from './options.js';
import { PULL_SECONDS, type Preparation, type Runtime } from './runtime.js';

/** What users may pass to `singularity run` (specification: jobs §6.4); short names on the left. */
const OPTIONS: OptionTable = {
  flags: [
    '--cleanenv', '--compat', '--contain', '--containall', '--disable-cache', '--ipc', '--net', '--no-home', '--no-init',
    '--no-privs', '--no-umask', '--nohttps', '--nonet', '--nv', '--nvcli', '--pid', '--rocm', '--userns', '--uts', '--vm',
    '--vm-err', '--writable', '--writable-tmpfs',
  ],
  single: [
    '--add-caps', '--app', '--dns', '--drop-caps', '--home', '--hostname', '--network', '--pem-path', '--pwd', '--vm-cpu',
    '--vm-ip', '--vm-ram', '--workdir',
  ],
  repeatable: ['--bind', '--fusemount', '--mount', '--network-args', '--no-mount', '--overlay', '--scratch', '--security'],
  aliases: {
    '-B': '--bind', '-C': '--containall', '-H': '--home', '-O': '--overlay', '-S': '--scratch', '-U': '--userns',
    '-W': '--workdir', '-c': '--contain', '-e': '--cleanenv', '-i': '--ipc', '-n': '--net', '-p': '--pid', '-w': '--writable',
  },
  reserved: ['--env', '--env-file', '--name', '--pid-file', '--pidfile'],
}; // prettier-ignore

/** A container of Singularity or Apptainer: `run` as the user's own process, `instance start` as a service (jobs §6.4–6.6). */
export const singularity: Runtime = {
  faults: (containerArgs) => optionFaults('containerArgs', OPTIONS, containerArgs),
  prepare: (plan) => [isNamed(plan) ? pull(plan) : find(plan)],
  envFile: (_plan, env) =>
    Object.entries(env)
      .map(([key, value]) => `${key}='${unexpanded(value)}'\n`)
      .join(''),
  phrase: (plan) => (isInstance(plan) ? instance(plan) : run(plan)),
};

/**
 * The file is read by a shell's rules, and then the container's start script expands each value once more, between
 * double quotes whose like in the value it escapes (Apptainer 1.4). An apostrophe passes only as what a command prints.
 */
const unexpanded = (value: string): string =>
  value.replace(/[\\$`]/g, (character) => `\\${character}`).replaceAll("'", '$(printf \\\\047)');

/** The legacy kind: the application is the start script of an instance. */
export const isInstance = ({ runtimeOptions }: Pick<JobPlan, 'runtimeOptions'>): boolean =>
  runtimeOptions.includes('SINGULARITY_START');

/** `docker://…`, `library://…`, `oras://…`, `https://…`; everything else is a file or a folder on the host. */
const isNamed = ({ containerImage }: JobPlan): boolean => /^[a-z][a-z0-9+.-]*:\/\//i.test(containerImage);

/** Sites call it one or the other. */
const TOOL = '$(command -v singularity || echo apptainer)';

/** In the login user's home, for all jobs: a name of its own for each image, that people can read. */
const pulledFile = ({ containerImage }: JobPlan): string =>
  `"$HOME/.kilim/images/${containerImage.replace(/[^A-Za-z0-9.-]/g, (c) => `_${c.charCodeAt(0).toString(16)}_`)}.sif"`;

/** Once per host and image: the first one pulls, the others wait at its lock; a cut-off pull leaves no image. */
const pull = (plan: JobPlan): Preparation => ({
  says: `The image ${plan.containerImage} is made ready`,
  command: {
    line: [
      `image=${pulledFile(plan)}`,
      '[ -s "$image" ] && exit 0',
      'mkdir -p "${image%/*}" || exit 73',
      `if command -v flock > /dev/null; then exec 9> "$image.lock" || exit 73; flock -w ${PULL_SECONDS - 60} 9 || { echo "another pull of this image does not end" >&2; exit 75; }; fi`,
      '[ -s "$image" ] && exit 0',
      ...moduleLines(plan),
      `tool=${TOOL}`,
      // login nodes of some sites have none: there the compute node gets the image
      `command -v "$tool" > /dev/null || { ${plan.jobType === 'BATCH' ? 'exit 0' : 'echo "neither singularity nor apptainer is installed on this host" >&2; exit 69'}; }`,
      `"$tool" pull --force "$image.$$.sif" ${quote(plan.containerImage)} > "$image.log" 2>&1 9>&- && mv -f "$image.$$.sif" "$image" && exit 0`,
      'rm -f "$image.$$.sif"; tail -n 5 "$image.log" >&2; exit 1',
    ].join('\n'),
    timeoutSeconds: PULL_SECONDS,
    parse: failsAs(`The image ${plan.containerImage} cannot be had`),
  },
  progress: {
    line: `tail -c 300 ${pulledFile(plan).slice(0, -1)}.log" 2> /dev/null | tr '\\r' '\\n' | tail -n 1`,
    parse: (reply) => (reply.stdout.trim() ? lastWords(reply) : ''),
  },
});

const find = (plan: JobPlan): Preparation => ({
  command: {
    line: `cd ${quote(plan.paths.execDir)} && [ -r ${quote(plan.containerImage)} ] || { echo "it is not there or not readable on this host" >&2; exit 66; }`,
    parse: failsAs(`The image ${plan.containerImage} cannot be had`),
  },
});

const imageLines = (plan: JobPlan): string[] =>
  isNamed(plan)
    ? [`image=${pulledFile(plan)}`, `[ -s "$image" ] || image=${quote(plan.containerImage)}`]
    : [`image=${quote(plan.containerImage)}`];

const options = ({ containerArgs, paths }: JobPlan): string[] => [
  `--env-file ${quote(`${paths.execDir}/tapisjob.env`)}`,
  ...containerArgs
    .map(({ arg }) => parseOption(OPTIONS, arg))
    .map(({ name, value }) => (value === null ? name : `${name} ${quote(value)}`)),
];

/** Arguments stay raw by design: users bring their own quotes (jobs §6.2). */
const args = ({ appArgs }: JobPlan): string[] => appArgs.map(({ arg }) => arg);

const run = (plan: JobPlan): RunPhrase => ({
  before: [],
  run: [
    ...imageLines(plan),
    [plan.prefix, TOOL, 'run', ...options(plan), '"$image"', ...args(plan)].filter(Boolean).join(' '),
  ].join('\n'),
  after: [],
});

/** Its start script has no exit code that anybody could see: only `tapisjob.exitcode` tells of a failure. */
const instance = (plan: JobPlan): RunPhrase => {
  const pidFile = quote(`${plan.paths.execDir}/${plan.uuid}.pid`);
  const log = (stream: string): string =>
    `$("$tool" instance list --json ${plan.uuid} | sed -n 's/.*"log${stream}Path": *"\\(.*\\)".*/\\1/p')`;
  return {
    before: [],
    run: [
      ...imageLines(plan),
      `tool=${TOOL}`,
      `${[plan.prefix, '"$tool"', '--quiet', 'instance start', `--pid-file ${pidFile}`, ...options(plan), '"$image"', plan.uuid, ...args(plan)].filter(Boolean).join(' ')} || exit 125`,
      `read -r init < ${pidFile} || exit 125`,
      `tail -n +1 -F --pid="$init" "${log('Out')}" 2> /dev/null &`,
      `tail -n +1 -F --pid="$init" "${log('Err')}" 2> /dev/null >&2 &`,
      // the instance outlives its start script, which is the child of its first process
      'while [ -n "$(ps -o pid= --ppid "$init")" ]; do sleep 0.2; done',
      `"$tool" instance stop ${plan.uuid} > /dev/null 2>&1`,
      'wait',
    ].join('\n'),
    after: [`${TOOL} instance stop ${plan.uuid} > /dev/null 2>&1`],
  };
};
