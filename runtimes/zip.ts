import { hasUserInfo, NO_LOGIN, shownUrl } from '../domain/files/shown-url.js';
import type { JobPlan } from '../domain/jobs/job-plan.js';
import { envFileOf, ledgerDir, mayBeShared } from '../domain/jobs/ledger.js';
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
      ...(mayBeShared(plan, plan.paths.execDir) ? [ownProgram(plan)] : []),
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

/** The program as it was unpacked for this job. */
const programFile = (plan: JobPlan): string => `${ledgerDir(plan)}/program`;

/** Another application may have been unpacked into the same exec dir meanwhile; the job runs its own in any case. */
const ownProgram = (plan: JobPlan): string => {
  const own = quote(programFile(plan));
  return `! [ -f ${own} ] || [ ${own} -ef "./$_tapisExecutable" ] || cmp -s ${own} "./$_tapisExecutable" || _tapisExecutable=.kilim/${plan.uuid}/program`;
};

type Archived = Pick<JobPlan, 'uuid' | 'containerImage' | 'paths'>;

const archiveName = ({ containerImage }: Archived): string =>
  containerImage.split(/[?#]/, 1).join().split('/').filter(Boolean).at(-1) ?? 'app.zip';

/** Where the archive lies on the host: in place when it is a path, else where staging put it, apart from that of other jobs. */
export const archivePath = (plan: Archived): string =>
  plan.containerImage.startsWith('/') ? plan.containerImage : `${ledgerDir(plan)}/app/${archiveName(plan)}`;

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
  const { execDir } = plan.paths;
  const named = quote(`./${archiveName(plan)}`);
  const isFetched = archive !== plan.containerImage;
  const isShared = mayBeShared(plan, execDir);
  return {
    line: [
      `cd ${quote(execDir)} || exit 73`,
      `archive=${quote(archive)}`,
      // an older Kilim put it into the exec dir
      ...(isFetched ? [`[ -r "$archive" ] || archive=$PWD/${quote(archiveName(plan))}`] : []),
      '[ -r "$archive" ] || { echo "the application\'s archive $archive is not there or not readable" >&2; exit 66; }',
      ...(isShared ? enterFresh(plan) : []),
      ...(archive.endsWith('.zip') ? unzip : ['tar -xf "$archive"']),
      '[ $? -eq 0 ] || exit 65',
      ...(isShared ? ['[ -f tapisjob_app.sh ] || [ -f tapisjob.manifest ] || merge || exit 73'] : []),
      ...findExecutable(plan),
      ...(isShared ? [`${keepProgram(plan)}; merge || exit 73; rm -rf "$fresh"`] : []),
      ...(isFetched && !removesArchive(plan)
        ? [
            `[ "$archive" -ef ${named} ] || ln -fT -- "$archive" ${named} 2> /dev/null || cp -- "$archive" ${named}`,
          ]
        : []),
    ].join('\n'),
    timeoutSeconds: 600,
    parse: failsAs('The application could not be made ready'),
  };
};

/**
 * In a shared exec dir the files of the archive get their names one by one, and each at once: another job may be running the same
 * program there. `merge` goes back to the exec dir; it does nothing a second time.
 */
const enterFresh = (plan: JobPlan): string[] => [
  `fresh=${quote(ledgerDir(plan))}/fresh.$$; rm -rf "$fresh"; mkdir -p "$fresh" && cd "$fresh" || exit 73`,
  'merge() {',
  '  [ . -ef "$fresh" ] || return 0',
  `  cd ${quote(plan.paths.execDir)} || return`,
  '  ( shopt -s dotglob nullglob; all=("$fresh"/*); [ ${#all[@]} -eq 0 ] ||',
  '    cp -alf -t . -- "${all[@]}" 2> /dev/null || cp -af --remove-destination -t . -- "${all[@]}" )',
  '}',
];

const keepProgram = (plan: JobPlan): string => {
  const own = quote(programFile(plan));
  return `ln -fT -- "./$program" ${own} 2> /dev/null || cp -p -- "./$program" ${own}`;
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
