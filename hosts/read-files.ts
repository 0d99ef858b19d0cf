import type { Readable } from 'node:stream';

import { quote } from '../domain/shell.js';
import type { Host } from './host.js';
import { checked } from './pipes.js';
import { goingBeside, goingIn, MISSING, opening, rooted, type Root } from './rooted.js';
import { tolerating } from './vanished.js';

/**
 * The bytes of a file, or `length` of them from `offset`. Rejects where the file cannot be read; an error after the first
 * byte destroys the stream. Destroying the stream ends the command.
 */
export async function openRead(
  host: Host,
  root: Root,
  path: string,
  { part, signal }: { part?: { offset: number; length: number } | undefined; signal?: AbortSignal } = {},
): Promise<Readable> {
  const slice = part
    ? part.offset === 0
      ? `head -c ${part.length}`
      : `tail -c +${part.offset + 1} | head -c ${part.length}`
    : 'cat';
  const line = [...rooted(root, path), ...READABLE, opening, slice].join('\n');
  const stream = await host.stream(line, signal ? { signal } : {});
  stream.stdin.end();
  return checked(stream, path);
}

const READABLE = [
  `[ -e "$path" ] || exit ${MISSING}`,
  '[ -d "$path" ] && { echo "it is a directory" >&2; exit 65; }',
  // a read from a named pipe would wait for a writer without end
  '[ -f "$path" ] || { echo "it is no regular file" >&2; exit 65; }',
  '[ -r "$path" ] || { echo "Permission denied" >&2; exit 1; }',
];

/**
 * A tar stream for zip downloads. A zip has no hard links, so each name of a file comes with its bytes; symbolic links come
 * without the content of their targets (`contentsOfLinks`). The entries of a directory begin with `./`; a single file has its
 * real name, not that of a link to it. A directory with more than `most` files and empty directories is refused before the
 * first byte.
 */
export const tarOf = (root: Root, path: string, most: number): string =>
  [
    ...rooted(root, path),
    `[ -e "$path" ] || exit ${MISSING}`,
    `if [ -d "$path" ]; then ${goingIn}`,
    `[ "$(find . '(' ! -type d -o -empty ')' -printf . 2> /dev/null | head -c ${most + 1} | wc -c)" -le ${most} ] || { echo "it has more than ${most} files and empty directories, which is the most that a zip takes" >&2; exit 65; }`,
    // the names of this format are bytes
    ...tolerating('tar --format=gnu --hard-dereference -cf - .'),
    'exit 0; fi',
    goingBeside,
    'exec tar --format=gnu -cf - -- "${reals[0]##*/}"',
  ].join('\n');

/** The last lines of the first of these files, by their absolute paths, that is there; empty where there is none. */
export const readTail = (
  host: Host,
  paths: readonly string[],
  lines: number,
  bytes: number,
): Promise<string> =>
  host.run({
    line: `for file in ${paths.map(quote).join(' ')}; do [ -f "$file" ] && { tail -c ${bytes} -- "$file" | tail -n ${lines}; break; }; done; exit 0`,
    parse: ({ stdout }) => stdout,
  });
