import { KilimError } from '../domain/errors.js';
import { shownPath } from '../domain/files/odd-names.js';
import { joinRoot, normalizeFound } from '../domain/files/path.js';
import { isDiskFull, lastWords, type Reply } from '../domain/remote-command.js';
import { quote } from '../domain/shell.js';

/** Our scripts' own exit codes, apart from those of the tools. */
export const MISSING = 66;
export const OUTSIDE = 67;
export const LINKED = 68;

/** A directory below rootDir that a path may not leave through a link. */
export interface Fence {
  path: string;
  /** How many of its last names may not be links themselves: a job can replace its own directories by links. */
  own?: number;
}

/** Where paths begin: a rootDir, and the fences in it, the outer ones first. */
export type Root = string | { rootDir: string; fences: readonly Fence[] };

export interface Spot {
  root: Root;
  /** Below rootDir. */
  path: string;
}

/** A rootDir with what was granted in it; `''` is all of it. */
export const fencedRoot = (rootDir: string, granted: string): Root =>
  granted === '' ? rootDir : { rootDir, fences: [{ path: granted }] };

const partsOf = (root: Root): { rootDir: string; fences: readonly Fence[] } =>
  typeof root === 'string' ? { rootDir: root, fences: [] } : root;

/** On the host. */
export const absolute = (root: Root, path: string): string => joinRoot(partsOf(root).rootDir, path);

/** Shell lines that set `path` and refuse one that leaves its root or a fence through a link. */
export const rooted = (root: Root, path: string): string[] => [
  ...rootedAll([{ root, path }]),
  'path=${paths[0]}',
];

/**
 * The same for several at once: one program looks at all of them. Sets the arrays `paths`, `reals` (without links) and
 * `fences` (the innermost directory that each may not leave, without links).
 */
export const rootedAll = (spots: readonly Spot[]): string[] => {
  const asked: string[] = [];
  const ask = (path: string): string => `real[${asked.push(quote(path)) - 1}]`;
  const chains = spots.map(({ root, path }) => {
    const { rootDir, fences } = partsOf(root);
    const ends = [rootDir, joinRoot(rootDir, path)].map((end) => `"\${${ask(end)}}"`);
    return [ends[0], ...fences.map((fence) => realFence(rootDir, fence, ask)), ends[1]];
  });
  const paths = spots.map(({ root, path }) => quote(absolute(root, path)));
  return [
    // an account's start-up files may have changed how `case` compares words
    'shopt -u nocasematch',
    `paths=(${paths.join(' ')}); mapfile -d '' -t real < <(realpath -mz -- ${asked.join(' ')})`,
    // a realpath that is missing, or gives up over a ring of links, opens no fence
    `[ \${#real[@]} -eq ${asked.length} ] || { echo "the path leads nowhere" >&2; exit ${OUTSIDE}; }`,
    `outside() { echo "the path leaves the directory that may be used" >&2; exit ${OUTSIDE}; }`,
    // the shell's own pwd repeats the path that the shell remembers; the program asks the kernel
    'really() { [ "$(exec pwd -P)" = "$here" ] || outside; }',
    'inside() { case "$1/" in "${2%/}/"*) ;; *) outside ;; esac; }',
    ...chains.flatMap((chain) => chain.slice(1).map((one, i) => `inside ${one} ${chain[i] ?? ''}`)),
    `reals=(${chains.map((chain) => chain.at(-1)).join(' ')}); fences=(${chains.map((chain) => chain.at(-2)).join(' ')})`,
  ];
};

/**
 * Lines that bring the shell into the directory of the first spot. A directory may be replaced after its path was checked, so
 * the place where the shell really is gets checked, too.
 */
export const goingIn = 'here=${reals[0]}; cd -P -- "$here" || exit; really';

/** The same for the directory that holds the first spot: the last name of its real path names the file itself, not a link. */
export const goingBeside = 'here=${reals[0]%/*}; here=${here:-/}; cd -P -- "$here" || exit; really';

/** A line that opens the file of the first spot as the standard input. */
export const opening =
  'exec < "${reals[0]}" || exit; [ "$(readlink -- /proc/self/fd/0)" = "${reals[0]}" ] || outside';

/** A word for the real path of a fence. Its `own` names are not resolved: a link in their place leads out of the fence. */
function realFence(rootDir: string, { path, own = 0 }: Fence, ask: (path: string) => string): string {
  const names = normalizeFound(path).split('/').filter(Boolean);
  const above = Math.max(0, names.length - own);
  const parent = ask(joinRoot(rootDir, names.slice(0, above).join('/')));
  const rest = names
    .slice(above)
    .map((name) => `/${name}`)
    .join('');
  return rest === '' ? `"\${${parent}}"` : `"\${${parent}%/}"${quote(rest)}`;
}

/** The root of the directory that holds `path`. Fences at `path` itself are left out, as that directory lies outside them. */
export const rootAbove = (root: Root, path: string): Root => {
  const { rootDir, fences } = partsOf(root);
  const itself = normalizeFound(path);
  return { rootDir, fences: fences.filter((fence) => normalizeFound(fence.path) !== itself) };
};

/** Turns a failed file command into the error that a user or job understands. */
export const fileFault = (reply: Pick<Reply, 'stderr' | 'stdout' | 'exitCode'>, of: string): KilimError => {
  const path = shownPath(of);
  const words = lastWords({ ...reply, stdout: reply.stderr ? '' : reply.stdout });
  if (/mapfile: -d: invalid option/.test(reply.stderr))
    return new KilimError(
      'REMOTE_COMMAND_FAILED',
      `The host's bash is older than 4.4, which is needed: ${words}`,
    );
  if (reply.exitCode === OUTSIDE)
    return new KilimError(
      'NOT_AUTHORIZED',
      `The path ${path} leaves the system's rootDir, or the directory in it that may be used.`,
    );
  if (reply.exitCode === LINKED) return new KilimError('PATH_INVALID', `${path}: ${words}`);
  if (reply.exitCode === MISSING || /No such file or directory/.test(words))
    return new KilimError('PATH_NOT_FOUND', `The path ${path} was not found.`);
  if (isDiskFull(words)) return new KilimError('DISK_FULL', `No space is left for ${path}: ${words}`);
  if (/Permission denied|Operation not permitted/i.test(words))
    return new KilimError('REMOTE_ACCESS_DENIED', `The host denies access to ${path}: ${words}`);
  return new KilimError('REMOTE_COMMAND_FAILED', `${path}: ${words}`);
};

/** The same for a tree, where the words of a program about something that is missing are not about the tree itself. */
export const treeFault = (reply: Pick<Reply, 'stderr' | 'stdout' | 'exitCode'>, path: string): KilimError => {
  const fault = fileFault(reply, path);
  if (fault.code !== 'PATH_NOT_FOUND' || reply.exitCode === MISSING) return fault;
  const words = lastWords(reply);
  return new KilimError('TRANSFER_FAILED', `Something of ${path} went away while it was copied: ${words}`);
};
