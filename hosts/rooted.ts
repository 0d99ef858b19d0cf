import { KilimError } from '../domain/errors.js';
import { joinRoot } from '../domain/files/path.js';
import { isDiskFull, lastWords, type Reply } from '../domain/remote-command.js';
import { quote } from '../domain/shell.js';

/** Our scripts' own exit codes, apart from those of the tools. */
export const MISSING = 66;
export const OUTSIDE = 67;

/** Shell lines that set `path` and refuse one that leaves rootDir through a link. */
export const rooted = (rootDir: string, path: string): string[] => [
  ...rootedAll([{ rootDir, path }]),
  'path=${paths[0]}',
];

/** The same for several at once, as the array `paths`: one program looks at all of them. */
export const rootedAll = (fences: readonly { rootDir: string; path: string }[]): string[] => {
  const paths = fences.map(({ rootDir, path }) => quote(joinRoot(rootDir, path))).join(' ');
  const roots = fences.map(({ rootDir }) => quote(rootDir)).join(' ');
  return [
    `paths=(${paths}); mapfile -d '' -t real < <(realpath -mz -- ${roots} "\${paths[@]}")`,
    // a realpath that is missing, or gives up over a ring of links, opens no fence
    `[ \${#real[@]} -eq ${2 * fences.length} ] || { echo "the path leads nowhere" >&2; exit ${OUTSIDE}; }`,
    `for ((i = 0; i < ${fences.length}; i++)); do`,
    `  case "\${real[i + ${fences.length}]}/" in "\${real[i]%/}/"*) ;; *) echo "the path leaves the system's rootDir" >&2; exit ${OUTSIDE};; esac`,
    'done',
  ];
};

/** Turns a failed file command into the error that a user or job understands. */
export const fileFault = (reply: Pick<Reply, 'stderr' | 'stdout' | 'exitCode'>, path: string): KilimError => {
  const words = lastWords({ ...reply, stdout: reply.stderr ? '' : reply.stdout });
  if (/mapfile: -d: invalid option/.test(reply.stderr))
    return new KilimError(
      'REMOTE_COMMAND_FAILED',
      `The host's bash is older than 4.4, which is needed: ${words}`,
    );
  if (reply.exitCode === OUTSIDE)
    return new KilimError('NOT_AUTHORIZED', `The path ${path} leaves the system's rootDir.`);
  if (reply.exitCode === MISSING || /No such file or directory/.test(words))
    return new KilimError('PATH_NOT_FOUND', `The path ${path} was not found.`);
  if (isDiskFull(words)) return new KilimError('DISK_FULL', `No space is left for ${path}: ${words}`);
  if (/Permission denied|Operation not permitted/i.test(words))
    return new KilimError('REMOTE_ACCESS_DENIED', `The host denies access to ${path}: ${words}`);
  return new KilimError('REMOTE_COMMAND_FAILED', `${path}: ${words}`);
};
