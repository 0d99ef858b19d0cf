import { hasUserInfo, NO_LOGIN, shownUrl } from '../domain/files/shown-url.js';
import type { JobPlan } from '../domain/jobs/job-plan.js';
import { envFileOf, ledgerDir } from '../domain/jobs/ledger.js';
import { quote } from '../domain/shell.js';
import { failsAs } from './fails-as.js';
import type { Preparation, Runtime } from './runtime.js';

const KEEP_ARCHIVE = '--tapis-zip-save';

/** An archive that is unpacked into the exec dir and brings its own executable (specification: jobs §6.7). */
export const zip: Runtime = {
  faults: ({ containerArgs, containerImage }) => [
    ...(isServed(containerImage)
      ? []
      : [
          `containerImage: "${shownUrl(containerImage)}" must be a path on the execution system that begins with /, or begin with tapis://, http:// or https://`,
        ]),
    ...(hasUserInfo(containerImage) ? [`containerImage: "${shownUrl(containerImage)}" ${NO_LOGIN}`] : []),
    ...containerArgs
      .filter(({ arg }) => arg.trim() !== KEEP_ARCHIVE)
      .map(
        ({ arg }) =>
          `parameterSet.containerArgs: "${arg.slice(0, 120)}" is not possible for a ZIP application; only ${KEEP_ARCHIVE} is`,
      ),
  ],
  prepare: (plan) => unpack(plan),
  envFile: (_plan, env) =>
    Object.entries(env)
      .map(([key, value]) => `export ${key}=${quote(value)}\n`)
      .join(''),
  phrase: (plan) => ({
    before: [],
    run: [
      // no user's variable has such a name; the environment is set where only the application sees it
      `read -r _tapisExecutable < ${quote(executableFile(plan))} || exit`,
      `. ${quote(envFileOf(plan))} || exit`,
      // arguments stay raw by design: users bring their own quotes (jobs §6.2)
      [plan.prefix, '"./$_tapisExecutable"', ...plan.appArgs.map(({ arg }) => arg)].filter(Boolean).join(' '),
    ].join('\n'),
    after: [],
  }),
};

const isServed = (image: string): boolean =>
  image.startsWith('/') ||
  /^tapis:\/\/[^/]+\/./i.test(image) ||
  (/^https?:\/\//i.test(image) && URL.canParse(image));

/** Which program of the archive is run; written when it is unpacked. */
const executableFile = (plan: JobPlan): string => `${ledgerDir(plan)}/executable`;

/** Where the archive lies on the host: in place when it is a path, else where staging put it. */
export const archivePath = (plan: Pick<JobPlan, 'containerImage' | 'paths'>): string =>
  plan.containerImage.startsWith('/')
    ? plan.containerImage
    : `${plan.paths.execDir}/${
        plan.containerImage.split(/[?#]/, 1).join().split('/').filter(Boolean).at(-1) ?? 'app.zip'
      }`;

const unpack = (plan: JobPlan): Preparation => {
  const archive = archivePath(plan);
  const unzip = [
    // 1 is a warning, as of a zip with backslashes
    'if command -v unzip > /dev/null; then unzip -qo "$archive"; [ $? -le 1 ]',
    // many login nodes lack unzip and have Python
    'elif command -v python3 > /dev/null; then python3 - "$archive" <<\'END\'',
    'import os, sys, zipfile',
    'with zipfile.ZipFile(sys.argv[1]) as z:',
    '    for i in z.infolist():',
    "        p = z.extract(i, '.')",
    '        if i.external_attr >> 16: os.chmod(p, (i.external_attr >> 16) & 0o777 | 0o200)',
    'END',
    'else echo "unzip is not installed on this host" >&2; exit 69; fi',
  ];
  return {
    line: [
      `cd ${quote(plan.paths.execDir)} || exit 73`,
      `archive=${quote(archive)}`,
      '[ -r "$archive" ] || { echo "the application\'s archive $archive is not there or not readable" >&2; exit 66; }',
      ...(archive.endsWith('.zip') ? unzip : ['tar -xf "$archive"']),
      '[ $? -eq 0 ] || exit 65',
      ...findExecutable(plan),
    ].join('\n'),
    timeoutSeconds: 600,
    parse: failsAs('The application could not be made ready'),
  };
};

const findExecutable = (plan: JobPlan): string[] => [
  'program=tapisjob_app.sh',
  'if [ ! -f "$program" ]; then',
  '  [ -f tapisjob.manifest ] || { echo "the archive has neither tapisjob_app.sh nor tapisjob.manifest" >&2; exit 66; }',
  "  program=$(sed -n 's/^tapisjob_executable=//p' tapisjob.manifest | tail -n 1)",
  '  case "/$program/" in //|*/../*|*\\;*) echo "tapisjob.manifest names no usable executable: \'$program\'" >&2; exit 65;; esac',
  '  [ -f "./$program" ] || { echo "tapisjob.manifest names $program, which is not in the archive" >&2; exit 66; }',
  'fi',
  'chmod u+x "./$program" || exit 77',
  `mkdir -p ${quote(ledgerDir(plan))} && printf '%s\\n' "$program" > ${quote(executableFile(plan))}`,
];

/** After archiving: an archive that was downloaded goes, unless the user keeps it; one given by path always stays. */
export const removesArchive = (plan: JobPlan): boolean =>
  !plan.containerImage.startsWith('/') && !plan.containerArgs.some(({ arg }) => arg.trim() === KEEP_ARCHIVE);
