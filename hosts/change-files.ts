import { Readable } from 'node:stream';

import type { KilimError } from '../domain/errors.js';
import { normalizeFound } from '../domain/files/path.js';
import type { RemoteCommand, Reply } from '../domain/remote-command.js';
import {
  cleaning,
  enteringExisting,
  enteringFolder,
  IN_THE_WAY,
  inPrivate,
  making,
  movingIn,
  nameOf,
  privateName,
  WALKING,
  withFolder,
} from './enter.js';
import type { Host, RemoteStream } from './host.js';
import { feed } from './pipes.js';
import { fileFault, LINKED, MISSING, OUTSIDE, rootedAll, type Root } from './rooted.js';

const refusing =
  (path: string) =>
  (reply: Reply): void => {
    if (reply.exitCode !== 0) throw fileFault(reply, path);
  };

export const makeDirs = (host: Host, root: Root, dirs: string[]): Promise<void> =>
  host.run({ line: making(root, dirs).join('\n'), parse: refusing(dirs.join(', ')) });

/** Exit codes apart from those of the work that follows in the same command. */
const NOT_MADE = 191;
const NOT_INSIDE = 192;

/** Lines that do the same at the beginning of a command; `makingFault` reads their failure. */
export const makingDirs = (root: Root, dirs: string[]): string[] => [
  '(',
  ...making(root, dirs),
  ')',
  `case $? in 0) ;; ${OUTSIDE}) exit ${NOT_INSIDE} ;; *) exit ${NOT_MADE} ;; esac`,
];

export const makingFault = (reply: Reply, dirs: string[]): KilimError | null => {
  const exitCode = reply.exitCode === NOT_INSIDE ? OUTSIDE : reply.exitCode === NOT_MADE ? 1 : null;
  return exitCode === null ? null : fileFault({ ...reply, exitCode }, dirs.join(', '));
};

type Source = Readable | Buffer | (() => Promise<Readable>);

/**
 * Writes a file under a private name and renames it once all of it has come. Parents are made; a directory in the way is
 * refused, a link there is replaced. A source that breaks leaves the target as it was.
 * A source that is a function is opened when the host is ready to take it. `whole` is awaited at the end of the source, and
 * rejects where the source ended but was not complete.
 * @throws KilimError NOT_AUTHORIZED, DISK_FULL, REMOTE_ACCESS_DENIED, HOST_*; what the source or `whole` throws
 */
export async function writeFile(
  host: Host,
  { root, path }: { root: Root; path: string },
  source: Source,
  { signal, whole }: { signal?: AbortSignal; whole?: () => Promise<unknown> } = {},
): Promise<void> {
  // the source may fail before the host is ready: `feed` reports that later, but an error event without a listener would end
  // the program now
  if (source instanceof Readable) source.on('error', () => undefined);
  const early = `./${privateName()}`;
  const where = enteringFolder(root, path);
  const then = (line: string): RemoteCommand<void> => ({
    line: [...where, line].join('\n'),
    parse: refusing(path),
  });
  const stream = await host.stream(
    // -C: cat writes to a new file only, never to an existing one
    [...where, IN_THE_WAY, `set -C; cat > ${early}`].join('\n'),
    signal ? { signal } : {},
  );
  stream.stdout.resume();
  try {
    await feed(await opened(source, stream), stream, path);
    await whole?.();
    await host.run(then(`mv -fT -- ${early} "./$name"`));
  } catch (error) {
    // the host cannot tell the end of the file from a broken link, so the torn file is removed from here
    await host.run({ ...then(`rm -f -- ${early}`), timeoutSeconds: 10 }).catch(() => undefined);
    throw error;
  }
}

async function opened(source: Source, { stdin, done }: RemoteStream): Promise<Readable> {
  if (source instanceof Readable) return source;
  if (typeof source !== 'function') return Readable.from([source]);
  try {
    return await source();
  } catch (error) {
    stdin.end();
    await done.catch(() => undefined); // only then is there a file to remove
    throw error;
  }
}

/** A link is removed itself, not what it leads to. */
export const removePath = (host: Host, root: Root, path: string): Promise<void> =>
  host.run({
    line: [
      ...enteringExisting(root, path),
      `[ -e "./$name" ] || [ -L "./$name" ] || exit ${MISSING}`,
      'rm -rf -- "./$name"',
    ].join('\n'),
    timeoutSeconds: 600,
    parse: refusing(path),
  });

export interface Relocation {
  operation: 'MOVE' | 'COPY';
  from: { root: Root; path: string };
  to: { root: Root; path: string };
}

/**
 * Works as mv and cp do: a target that is a directory gets the source inside it. Parents of the target are made. The directory
 * that was granted is not itself replaced by a link, because the grant would then lead wherever the link does.
 */
export const moveCopy = (host: Host, { operation, from, to }: Relocation): Promise<void> =>
  host.run({
    line: [
      ...rootedAll([...withFolder(to), ...withFolder(from)]),
      ...WALKING,
      `goal=\${reals[0]} fence=\${fences[0]} from=${nameOf(from.path)}; kept "$from"`,
      `[ -d "\${reals[3]}" ] || exit ${MISSING}`,
      `enter "\${reals[3]}"; [ -e "./$from" ] || exit ${MISSING}`,
      '[ "${paths[2]}" = "${paths[0]}" ] && exit 0',
      // cp notices this only after it has copied a part
      '[ -L "./$from" ] || case "$goal/" in "${reals[2]}"/*) echo "it cannot be put into itself" >&2; exit 65 ;; esac',
      'exec 8< .',
      'if [ -d "$goal" ]; then enter "$goal"; name=$from',
      `else enter "\${reals[1]}"; name=${nameOf(to.path)}; isFence=${isFence(to) ? 1 : ''}; fi; kept "$name"`,
      ...(operation === 'MOVE' ? MOVING : copying()),
    ].join('\n'),
    timeoutSeconds: 3600,
    parse: refusing(from.path),
  });

const isFence = ({ root, path }: Relocation['to']): boolean =>
  typeof root !== 'string' &&
  root.fences.some((fence) => normalizeFound(fence.path) === normalizeFound(path));

const MOVING = [
  `[ -z "$isFence" ] || { echo "what was granted cannot be replaced by a move" >&2; exit ${LINKED}; }`,
  'mv -T -- "/proc/self/fd/8/$from" "./$name"',
];

const copying = (): string[] => [
  ...inPrivate(privateName()),
  'cp -a -- "/proc/self/fd/8/$from" "./$name" || exit',
  `[ -z "$isFence" ] || [ ! -L "./$name" ] || { echo "what was granted cannot be replaced by a link" >&2; exit ${LINKED}; }`,
  ...cleaning(false),
  ...movingIn,
];
