import { randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';

import { KilimError } from '../domain/errors.js';
import type { FileInfo } from '../domain/files/file-info.js';
import { joinRoot, normalizePath } from '../domain/files/path.js';
import type { RemoteCommand, Reply } from '../domain/remote-command.js';
import { quote } from '../domain/shell.js';
import type { Host, RemoteStream } from './host.js';
import { fileFault, MISSING, OUTSIDE, rooted, rootedAll } from './rooted.js';
import { checked, feed } from './pipes.js';

export { fileFault, rooted };

const must =
  (path: string) =>
  (reply: Reply): string => {
    if (reply.exitCode !== 0) throw fileFault(reply, path);
    return reply.stdout;
  };

const ignore =
  (path: string) =>
  (reply: Reply): void =>
    void must(path)(reply);

export const makeDirs = (host: Host, rootDir: string, dirs: string[]): Promise<void> =>
  host.run({
    line: [...rootedAll(dirs.map((path) => ({ rootDir, path }))), 'mkdir -p -- "${paths[@]}"'].join('\n'),
    parse: ignore(dirs.join(', ')),
  });

/** Exit codes apart from those of the work that follows in the same command. */
const NOT_MADE = 191;
const NOT_INSIDE = 192;

/** The same as the first lines of a command; `makingFault` reads their failure. */
export const makingDirs = (rootDir: string, dirs: string[]): string[] => [
  '(',
  ...rootedAll(dirs.map((path) => ({ rootDir, path }))),
  'mkdir -p -- "${paths[@]}"',
  ')',
  `case $? in 0) ;; ${OUTSIDE}) exit ${NOT_INSIDE} ;; *) exit ${NOT_MADE} ;; esac`,
];

export const makingFault = (reply: Reply, dirs: string[]): KilimError | null => {
  const exitCode = reply.exitCode === NOT_INSIDE ? OUTSIDE : reply.exitCode === NOT_MADE ? 1 : null;
  return exitCode === null ? null : fileFault({ ...reply, exitCode }, dirs.join(', '));
};

/** Refuses a path that a link leads out of `fence`, both below rootDir; rootDir itself is looked at by every command. */
export async function refuseOutside(host: Host, rootDir: string, fence: string, path: string): Promise<void> {
  if (fence === '') return;
  const inside = normalizePath(path).slice(fence.length);
  await host.run({
    line: rooted(joinRoot(rootDir, fence), inside).join('\n'),
    parse: (reply) => {
      if (reply.exitCode !== 0) throw fileFault(reply, path);
    },
  });
}

const FORMAT = '%y\\t%s\\t%U\\t%G\\t%M\\t%T@\\t%P\\0';

export interface ListOptions {
  recurse: boolean;
  /** Levels; default 20 (platform §5.3). */
  depth?: number;
  limit: number;
  offset: number;
  /** What lies below a directory that may not be read, or goes meanwhile, is left out; else it is a fault. */
  skipUnreadable?: boolean;
}

/** Entries of a directory, or the one entry of a file, sorted by path without regard to case (platform §5.3). */
export async function listFiles(
  host: Host,
  rootDir: string,
  path: string,
  { recurse, depth = 20, limit, offset, skipUnreadable = false }: ListOptions,
): Promise<FileInfo[]> {
  const base = normalizePath(path);
  const out = await host.run({
    line: [
      ...rooted(rootDir, path),
      `[ -e "$path" ] || [ -L "$path" ] || exit ${MISSING}`,
      `if [ -d "$path" ]; then find "$path/" -mindepth 1 -maxdepth ${recurse ? depth : 1} -printf ${quote(FORMAT)}${skipUnreadable ? ' || [ -r "$path" -a -x "$path" ]' : ''}`,
      `else find "$path" -maxdepth 0 -printf ${quote(FORMAT)}; fi`,
      SAY_THAT_IS_ALL,
    ].join('\n'),
    timeoutSeconds: 120,
    parse: must(path),
  });
  return whole(out, path)
    .map((entry) => toInfo(entry, base))
    .map((info) => ({ info, key: info.path.toLowerCase() }))
    .sort((a, b) => compare(a.key, b.key) || compare(a.info.path, b.info.path))
    .slice(offset, offset + limit)
    .map(({ info }) => info);
}

/** The files and links below a directory, at any depth, relative to it: names alone, as there may be a million. */
export const listNames = async (host: Host, rootDir: string, path: string): Promise<string[]> => {
  const out = await host.run({
    line: [
      ...rooted(rootDir, path),
      `[ -d "$path" ] || exit ${MISSING}`,
      `find "$path/" '(' -type f -o -type l ')' -printf '%P\\0'`,
      SAY_THAT_IS_ALL,
    ].join('\n'),
    timeoutSeconds: 600,
    parse: must(path),
  });
  return whole(out, path);
};

/** No entry is called so. What a command says is cut at some size: a list without its end is not all. */
const THAT_IS_ALL = '/';
const SAY_THAT_IS_ALL = `code=$?; [ $code -ne 0 ] || printf ${THAT_IS_ALL}; exit $code`;

/** @throws KilimError REMOTE_COMMAND_FAILED of a list that was cut */
function whole(out: string, path: string): string[] {
  if (!out.endsWith(THAT_IS_ALL))
    throw new KilimError('REMOTE_COMMAND_FAILED', `${path} has more entries than can be listed at once.`);
  return out.slice(0, -THAT_IS_ALL.length).split('\0').filter(Boolean);
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

const TYPES: Record<string, FileInfo['type']> = { f: 'file', d: 'dir', l: 'symbolic_link' };

const toInfo = (entry: string, base: string): FileInfo => {
  // the name comes last: it may hold anything, a tab too
  const [type = '', size, owner = '', group = '', mode = '', modified, ...rest] = entry.split('\t');
  const path = [base, rest.join('\t')].filter(Boolean).join('/');
  return {
    name: path.split('/').at(-1) ?? '',
    path,
    type: TYPES[type] ?? 'other',
    size: Number(size),
    owner,
    group,
    nativePermissions: mode.slice(1),
    lastModified: new Date(Number(modified) * 1000).toISOString(),
  };
};

/** What a path leads to, through links too; a directory is described, not opened. */
export const statPath = (host: Host, rootDir: string, path: string): Promise<FileInfo> =>
  host.run({
    line: [
      ...rooted(rootDir, path),
      `[ -e "$path" ] || exit ${MISSING}`,
      `find -L "$path" -maxdepth 0 -printf ${quote(FORMAT)}`,
    ].join('\n'),
    parse: (reply) => toInfo(must(path)(reply).replace(/\0$/, ''), normalizePath(path)),
  });

/**
 * The bytes of a file, or `length` of them from `offset`. Rejects before the first byte where there is none to
 * be had; an error after that destroys the stream. Destroying the stream ends the command.
 */
export async function openRead(
  host: Host,
  rootDir: string,
  path: string,
  part?: { offset: number; length: number },
): Promise<Readable> {
  const slice = part
    ? part.offset === 0
      ? `head -c ${part.length} -- "$path"`
      : `tail -c +${part.offset + 1} -- "$path" | head -c ${part.length}`
    : 'cat -- "$path"';
  const stream = await host.stream([...rooted(rootDir, path), ...readable('"$path"'), slice].join('\n'));
  stream.stdin.end();
  return checked(stream, path);
}

const readable = (word: string): string[] => [
  `[ -e ${word} ] || exit ${MISSING}`,
  `[ -d ${word} ] && { echo "it is a directory" >&2; exit 65; }`,
  // who reads a pipe waits for a writer, without end
  `[ -f ${word} ] || { echo "it is no regular file" >&2; exit 65; }`,
  `[ -r ${word} ] || { echo "Permission denied" >&2; exit 1; }`,
];

/**
 * Writes under a temporary name and renames once all has come; parents are made; a directory in the way is refused.
 * A source that breaks leaves the target as it was.
 * A source that is a function is opened when the host is ready to take it.
 * @throws KilimError NOT_AUTHORIZED, DISK_FULL, REMOTE_ACCESS_DENIED, HOST_*; what the source throws
 */
export async function writeFile(
  host: Host,
  rootDir: string,
  path: string,
  source: Readable | Buffer | (() => Promise<Readable>),
  signal?: AbortSignal,
): Promise<void> {
  // it may fail before the host is ready; `feed` says so then, and until then an error that nobody hears ends the program
  if (source instanceof Readable) source.on('error', () => undefined);
  const early = `.kilim-${randomUUID()}`;
  const where = [
    ...rooted(rootDir, path),
    `folder=$(dirname -- "$path"); early=$folder/${early}`, // a name of our own making needs no quotes
  ];
  const stream = await host.stream(
    [
      ...where,
      '[ -d "$path" ] && { echo "a directory is in the way" >&2; exit 65; }',
      'mkdir -p -- "$folder" && cat > "$early"',
    ].join('\n'),
    signal ? { signal } : {},
  );
  stream.stdout.resume();
  try {
    await feed(await opened(source, stream), stream, path);
    await host.run({ line: [...where, 'mv -fT -- "$early" "$path"'].join('\n'), parse: ignore(path) });
  } catch (error) {
    // as the end of the file and the end of the link look alike there, only this side knows that it is torn
    await host
      .run({ line: [...where, 'rm -f -- "$early"'].join('\n'), timeoutSeconds: 10, parse: () => undefined })
      .catch(() => undefined);
    throw error;
  }
}

async function opened(
  source: Readable | Buffer | (() => Promise<Readable>),
  { stdin, done }: RemoteStream,
): Promise<Readable> {
  if (source instanceof Readable) return source;
  if (typeof source !== 'function') return Readable.from([source]);
  try {
    return await source();
  } catch (error) {
    stdin.end();
    await done.catch(() => undefined); // what it made is removed after it
    throw error;
  }
}

export const removePath = (host: Host, rootDir: string, path: string): Promise<void> =>
  host.run({
    line: [
      ...rooted(rootDir, path),
      `[ -e "$path" ] || [ -L "$path" ] || exit ${MISSING}`,
      'rm -rf -- "$path"',
    ].join('\n'),
    timeoutSeconds: 600,
    parse: ignore(path),
  });

/** mv and cp as users know them: into an existing directory, parents of the target are made. */
export const moveCopy = (
  host: Host,
  rootDir: string,
  operation: 'MOVE' | 'COPY',
  path: string,
  newPath: string,
): Promise<void> =>
  host.run({
    line: [
      ...rooted(rootDir, newPath),
      'target=$path into=${real[1]}',
      ...rooted(rootDir, path),
      `[ -e "$path" ] || exit ${MISSING}`,
      '[ "$path" = "$target" ] && exit 0',
      // cp notices only when it has begun
      '[ -L "$path" ] || case "$into/" in "${real[1]}"/*) echo "it cannot be put into itself" >&2; exit 65 ;; esac',
      'mkdir -p -- "$(dirname -- "$target")" || exit',
      operation === 'MOVE' ? 'mv -- "$path" "$target"' : 'cp -a -- "$path" "$target"',
    ].join('\n'),
    timeoutSeconds: 3600,
    parse: ignore(path),
  });

/** A tar stream of a directory or file, entries relative to it; for zip downloads, which know no links: each name of a file has its bytes. */
export const tarOf = (host: Host, rootDir: string, path: string): RemoteCommand<never>['line'] =>
  [
    ...rooted(rootDir, path),
    'if [ -d "$path" ]; then cd "$path" && tar --hard-dereference -cf - .',
    'else cd "$(dirname "$path")" && tar -hcf - -- "$(basename "$path")"; fi',
  ].join('\n');

/** The last lines of a file by its absolute path; empty where there is none. */
export const readTail = (host: Host, absolutePath: string, lines: number, bytes: number): Promise<string> =>
  host.run({
    line: `[ -f ${quote(absolutePath)} ] && tail -c ${bytes} -- ${quote(absolutePath)} | tail -n ${lines}; exit 0`,
    parse: ({ stdout }) => stdout,
  });
