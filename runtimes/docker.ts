import { engineOf } from '../domain/jobs/container-engine.js';
import type { JobPlan, PlannedInput } from '../domain/jobs/job-plan.js';
import { envFileOf, ledgerDir, moreEnvFileOf } from '../domain/jobs/ledger.js';
import { quote } from '../domain/shell.js';
import { measuring } from './container-usage.js';
import { optionFaults, parseOption, phraseOptions, type OptionTable } from './options.js';
import { referenceFaults } from './image-names.js';
import { ABSENT, getOnce, plainName, type Image } from './get-once.js';
import type { Checked, Runtime } from './runtime.js';

/** What users may pass to the engine (specification: jobs §6.3); short names on the left. */
const OPTIONS: OptionTable = {
  flags: ['--rm'],
  single: [
    '--add-host', '--cpus', '--cpuset-cpus', '--cpuset-mems', '--entrypoint', '--gpus', '--hostname', '--ip', '--ip6',
    '--log-driver', '--log-opt', '--memory', '--network', '--network-alias', '--workdir',
  ],
  repeatable: ['--group-add', '--label', '--mount', '--publish', '--tmpfs', '--volume'],
  aliases: {
    '-h': '--hostname', '-l': '--label', '-m': '--memory', '--net': '--network', '--net-alias': '--network-alias',
    '-p': '--publish', '-v': '--volume', '-w': '--workdir',
  },
  reserved: ['--cidfile', '-e', '--env', '--env-file', '--name', '--user', '-u', '-d', '--detach'],
}; // prettier-ignore

/** A container of Docker or Podman (specification: jobs §6.3). */
export const docker: Runtime = {
  faults: (plan, hostKind) => [
    ...referenceFaults(plan.containerImage),
    ...optionFaults(OPTIONS, plan.containerArgs),
    ...(hostKind === 'local' ? mountFaults(plan) : []),
  ],
  prepare: (plan) => getOnce(plan, imageOf(plan)),
  // Docker takes the text behind the first = as it is; KEY= keeps the host's variable out
  envFile: (_plan, env) =>
    Object.entries(env)
      .filter(([, value]) => fitsInFile(value))
      .map(([key, value]) => `${key}=${value}\n`)
      .join(''),
  // the engine takes what it is told by name alone from its own environment: in a process list stands no value
  moreEnvFile: (_plan, env) =>
    Object.entries(env)
      .filter(([, value]) => !fitsInFile(value))
      .map(([key, value]) => `export ${key}=${quote(value)}; _tapisMore+=(--env ${key})\n`)
      .join(''),
  phrase: (plan) => {
    const engine = engineOf(plan);
    const create = [
      plan.prefix,
      engine,
      'create',
      ...fixedOptions(plan),
      // --rm would take the exit code and the log with it
      ...phraseOptions(OPTIONS, plan.containerArgs).filter((option) => option !== '--rm'),
      ...mounts(plan),
    ];
    const usage = measuring(engine, plan.uuid, `${ledgerDir(plan)}/used`);
    return {
      before: [],
      run: [
        `${engine} rm -f ${plan.uuid} > /dev/null 2>&1`,
        // what the engine warns of, as of a host without IPv4 forwarding, is no output of the application
        `said=$(_tapisMore=(); ! [ -r ${quote(moreEnvFileOf(plan))} ] || . ${quote(moreEnvFileOf(plan))}; ${[...create, '--', quote(plan.containerImage), ...plan.appArgs.map(({ arg }) => arg)].filter(Boolean).join(' ')} 2>&1 > /dev/null) || { printf '%s\\n' "$said" >&2; exit 125; }`,
        `${engine} start ${plan.uuid} > /dev/null || exit 126`,
        `${engine} logs --follow ${plan.uuid} &`,
        'logs=$!',
        usage.begin,
        ...waiting(plan),
        usage.end,
        'wait $logs',
        'exit $code',
      ].join('\n'),
      // what the wrapper measured is the client's: the container is no child of it
      after: [
        'cpu=- peak=-; [ -r "$ledger/used" ] && read -r cpu peak < "$ledger/used"',
        `${engine} rm -f ${plan.uuid} > /dev/null 2>&1`,
      ],
    };
  },
};

/** The engine reads the file in lines, which end at 64 KiB. */
const fitsInFile = (value: string): boolean => !/[\r\n]/.test(value) && value.length <= 16_000;

/** Lines that wait for the container's end and set `code`. */
const waiting = (plan: JobPlan): string[] => {
  const { uuid, containerEngine } = plan;
  const engine = engineOf(plan);
  // Podman follows the log of a container that was removed for ever
  if (containerEngine === 'podman') return [`code=$(${engine} wait ${uuid}) || { kill $logs; exit 125; }`];
  return [
    // a daemon that is restarted drops who waits, and the container may run on: it is over when the daemon says so
    `until code=$(${engine} wait ${uuid} 2> /dev/null); do`,
    '  since=$(date +%s)',
    `  until said=$(${engine} inspect --type container ${uuid} 2>&1 > /dev/null); do`,
    '    [[ "$said" == *[Nn]"o such"* ]] && { kill $logs 2> /dev/null; exit 125; }',
    '    sleep 2',
    '  done',
    '  sleep 0.5',
    `  kill -0 $logs 2> /dev/null || { ${engine} logs --follow --since "$since" ${uuid} & logs=$!; }`,
    'done',
  ];
};

/** An image that is there is used as it is. */
const imageOf = (plan: JobPlan): Image => {
  const [engine, image] = [engineOf(plan), quote(plan.containerImage)];
  return {
    name: plan.containerImage,
    work: `"$HOME/.kilim/images/${plainName(plan.containerImage)}.${plan.containerEngine}"`,
    isThere: `${engine} image inspect -- ${image} > /dev/null 2>&1`,
    find: [
      `command -v ${plan.containerEngine} > /dev/null || { echo "${plan.containerEngine} is not installed on this host" >&2; return ${ABSENT}; }`,
    ],
    get: `${engine} pull -- ${image}`,
    clean: ':',
  };
};

const fixedOptions = ({ uuid, paths, containerEngine }: JobPlan): string[] => [
  `--name ${uuid}`,
  '--label kilim.job=$KILIM_JOB',
  // rootless podman maps the user itself; a journal, where it logs by default, an ordinary user may not read
  containerEngine === 'podman'
    ? '$([ "$(id -u)" -ne 0 ] && echo --userns=keep-id) --log-driver k8s-file'
    : '',
  // else the outputs belong to root
  '--user $(id -u):$(id -g)',
  `--env-file ${quote(envFileOf({ uuid, paths }))}`,
  '"${_tapisMore[@]}"',
];

/** The engine sees all of this machine, whoever asks it: users choose no folders of it (design, running on this machine). */
const mountFaults = ({ containerArgs, inputs }: Checked): string[] => [
  ...containerArgs
    .filter(({ arg }) => ['--mount', '--volume'].includes(parseOption(OPTIONS, arg).name))
    .map(
      ({ arg }) =>
        `parameterSet.containerArgs: "${arg.slice(0, 120)}" is not possible on this machine itself`,
    ),
  ...inputs
    .filter(isMounted)
    .map(
      ({ sourceUrl }) => `fileInputs: "${sourceUrl.slice(0, 120)}" cannot be mounted on this machine itself`,
    ),
];

const isMounted = ({ sourceUrl, autoMountLocal }: PlannedInput): boolean =>
  sourceUrl.startsWith('tapislocal://') && autoMountLocal;

/** The engine reads the words of a mount as a line of CSV: a path may have a comma. */
const field = (text: string): string => (/[",]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

const mounts = ({ paths, inputs }: JobPlan): string[] => {
  const bind = (source: string, target: string, readonly = false): string =>
    `--mount ${quote(['type=bind', `source=${source}`, `target=${target}`, ...(readonly ? ['readonly'] : [])].map(field).join(','))}`;
  return [
    bind(paths.inputDir, '/TapisInput', true),
    bind(paths.outputDir, '/TapisOutput'),
    bind(paths.execDir, '/TapisExec'),
    ...inputs
      .filter(isMounted)
      .map(({ sourceUrl, targetPath }) =>
        bind(
          `${paths.rootDir}/${sourceUrl.replace(/^tapislocal:\/\/[^/]*\/*/, '')}`.replace(/\/{2,}/g, '/'),
          `/${targetPath.replace(/^\/+/, '')}`,
          true,
        ),
      ),
  ];
};
