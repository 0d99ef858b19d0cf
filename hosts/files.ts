import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

import { KilimError } from '../domain/errors.js';
import type { FileInfo } from '../domain/files/file-info.js';
import { joinRoot, normalizePath } from '../domain/files/path.js';
import { lastWords, type RemoteCommand, type Reply } from '../domain/remote-command.js';
import { quote } from '../domain/shell.js';
import type { Host } from './host.js';

/** Our scripts' own exit codes, apart from those of the tools. */
const MISSING = 66;
const OUTSIDE = 67;

/** Shell lines that set `root` and `path` and refuse a path that leaves rootDir through a link. */
export const rooted = (rootDir: string, path: string): string[] => [
  `root=$(realpath -m -- ${quote(rootDir)}); path=${quote(joinRoot(rootDir, path))}`,
  'real=$(realpath -m -- "$path")',
  `case "$real/" in "\${root%/}/"*) ;; *) echo "the path leaves the system's rootDir" >&2; exit ${OUTSIDE};; esac`,
];

/** Turns a failed file command into the error that a user or job understands. */
export const fileFault = (reply: Pick<Reply, 'stderr' | 'stdout' | 'exitCode'>, path: string): KilimError => {
  const words = lastWords({ ...reply, stdout: reply.stderr ? '' : reply.stdout });
  if (reply.exitCode === OUTSIDE)
    return new KilimError('NOT_AUTHORIZED', `The path ${path} leaves the system's rootDir.`);
  if (reply.exitCode === MISSING || /No such file or directory/.test(words))
    return new KilimError('PATH_NOT_FOUND', `The path ${path} was not found.`);
  if (/No space left on device|Disk quota exceeded/i.test(words))
    return new KilimError('DISK_FULL', `No space is left for ${path}: ${words}`);
  if (/Permission denied|Operation not permitted/i.test(words))
    return new KilimError('REMOTE_ACCESS_DENIED', `The host denies access to ${path}: ${words}`);
  return new KilimError('REMOTE_COMMAND_FAILED', `${path}: ${words}`);
};

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
    line: dirs.map((dir) => [...rooted(rootDir, dir), 'mkdir -p -- "$path" || exit'].join('\n')).join('\n'),
    parse: ignore(dirs.join(', ')),
  });

const FORMAT = '%f\\t%y\\t%s\\t%U\\t%G\\t%M\\t%T@\\t%P\\0';

export interface ListOptions {
  recurse: boolean;
  limit: number;
  offset: number;
}

/** Entries of a directory, or the one entry of a file, sorted by path without regard to case (platform §5.3). */
export async function listFiles(
  host: Host,
  rootDir: string,
  path: string,
  { recurse, limit, offset }: ListOptions,
): Promise<FileInfo[]> {
  const base = normalizePath(path);
  const out = await host.run({
    line: [
      ...rooted(rootDir, path),
      `[ -e "$path" ] || [ -L "$path" ] || exit ${MISSING}`,
      `if [ -d "$path" ]; then find "$path/" -mindepth 1 -maxdepth ${recurse ? 20 : 1} -printf ${quote(FORMAT)}`,
      `else find "$path" -maxdepth 0 -printf ${quote(FORMAT)}; fi`,
    ].join('\n'),
    timeoutSeconds: 120,
    parse: must(path),
  });
  return out
    .split('\0')
    .filter(Boolean)
    .map((entry) => toInfo(entry, base))
    .sort((a, b) => a.path.toLowerCase().localeCompare(b.path.toLowerCase()) || (a.path < b.path ? -1 : 1))
    .slice(offset, offset + limit);
}

const TYPES: Record<string, FileInfo['type']> = { f: 'file', d: 'dir', l: 'symbolic_link' };

const toInfo = (entry: string, base: string): FileInfo => {
  const [name = '', type = '', size, owner = '', group = '', mode = '', modified, ...rest] =
    entry.split('\t');
  const below = rest.join('\t');
  return {
    name: below ? (below.split('/').at(-1) ?? name) : name,
    path: below ? [base, below].filter(Boolean).join('/') : base,
    type: TYPES[type] ?? 'other',
    size: Number(size),
    owner,
    group,
    nativePermissions: mode.slice(1),
    lastModified: new Date(Number(modified) * 1000).toISOString(),
  };
};

/** One entry; a directory is described, not opened. */
export const statPath = (host: Host, rootDir: string, path: string): Promise<FileInfo> =>
  host.run({
    line: [
      ...rooted(rootDir, path),
      `[ -e "$path" ] || [ -L "$path" ] || exit ${MISSING}`,
      `find "$path" -maxdepth 0 -printf ${quote(FORMAT)}`,
    ].join('\n'),
    parse: (reply) => toInfo(must(path)(reply).replace(/\0$/, ''), normalizePath(path)),
  });

/** The bytes of a file, or `length` of them from `offset`. */
export async function openRead(
  host: Host,
  rootDir: string,
  path: string,
  part?: { offset: number; length: number },
): Promise<Readable> {
  const slice = part ? `tail -c +${part.offset + 1} -- "$path" | head -c ${part.length}` : 'cat -- "$path"';
  const stream = await host.stream([...rooted(rootDir, path), slice].join('\n'));
  stream.stdin.end();
  stream.done.then(
    ({ exitCode, stderr }) => {
      if (exitCode !== 0) stream.stdout.destroy(fileFault({ exitCode, stderr, stdout: '' }, path));
    },
    (error: Error) => stream.stdout.destroy(error),
  );
  return stream.stdout;
}

/** Writes under a temporary name and renames; parents are made; a directory in the way is refused. */
export async function writeFile(
  host: Host,
  rootDir: string,
  path: string,
  source: Readable,
  signal?: AbortSignal,
): Promise<void> {
  const stream = await host.stream(
    [
      ...rooted(rootDir, path),
      '[ -d "$path" ] && { echo "a directory is in the way" >&2; exit 65; }',
      'mkdir -p -- "$(dirname -- "$path")" || exit',
      'new="$(dirname -- "$path")/.kilim-$$-$RANDOM"; trap \'rm -f -- "$new"\' EXIT',
      'cat > "$new" && mv -fT -- "$new" "$path"',
    ].join('\n'),
    signal ? { signal } : {},
  );
  stream.stdout.resume();
  try {
    await pipeline(source, stream.stdin);
  } catch (error) {
    const { exitCode, stderr } = await stream.done;
    throw exitCode === 0 ? error : fileFault({ exitCode, stderr, stdout: '' }, path);
  }
  const { exitCode, stderr } = await stream.done;
  if (exitCode !== 0) throw fileFault({ exitCode, stderr, stdout: '' }, path);
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

/** A tar stream of a directory or file, entries relative to it; for zip downloads. */
export const tarOf = (host: Host, rootDir: string, path: string): RemoteCommand<never>['line'] =>
  [
    ...rooted(rootDir, path),
    'if [ -d "$path" ]; then cd "$path" && tar -cf - .; else cd "$(dirname "$path")" && tar -cf - -- "$(basename "$path")"; fi',
  ].join('\n');

/** The last lines of a file by its absolute path; empty where there is none. */
export const readTail = (host: Host, absolutePath: string, lines: number, bytes: number): Promise<string> =>
  host.run({
    line: `[ -f ${quote(absolutePath)} ] && tail -c ${bytes} -- ${quote(absolutePath)} | tail -n ${lines}; exit 0`,
    parse: ({ stdout }) => stdout,
  });
