import { randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';

import { KilimError } from '../domain/errors.js';
import { joinRoot, normalizeFound } from '../domain/files/path.js';
import type { Reply } from '../domain/remote-command.js';
import type { Host, RemoteStream } from './host.js';
import { fileFault, MISSING, OUTSIDE, rooted, rootedAll } from './rooted.js';
import { feed } from './pipes.js';

export { fileFault, rooted };

const ignore =
  (path: string) =>
  (reply: Reply): void => {
    if (reply.exitCode !== 0) throw fileFault(reply, path);
  };

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
  const inside = normalizeFound(path).slice(fence.length);
  await host.run({
    line: rooted(joinRoot(rootDir, fence), inside).join('\n'),
    parse: (reply) => {
      if (reply.exitCode !== 0) throw fileFault(reply, path);
    },
  });
}

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
