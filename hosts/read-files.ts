import type { Readable } from 'node:stream';

import { quote } from '../domain/shell.js';
import type { Host } from './host.js';
import { checked } from './pipes.js';
import { MISSING, rooted } from './rooted.js';

/**
 * The bytes of a file, or `length` of them from `offset`. Rejects before the first byte where there is none to
 * be had; an error after that destroys the stream. Destroying the stream ends the command.
 */
export async function openRead(
  host: Host,
  rootDir: string,
  path: string,
  { part, signal }: { part?: { offset: number; length: number } | undefined; signal?: AbortSignal } = {},
): Promise<Readable> {
  const slice = part
    ? part.offset === 0
      ? `head -c ${part.length} -- "$path"`
      : `tail -c +${part.offset + 1} -- "$path" | head -c ${part.length}`
    : 'cat -- "$path"';
  const line = [...rooted(rootDir, path), ...readable('"$path"'), slice].join('\n');
  const stream = await host.stream(line, signal ? { signal } : {});
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
 * A tar stream of a directory or file, entries relative to it; for zip downloads, which know no links: each name of a file
 * has its bytes. A directory with more than `most` files is refused before the first byte.
 */
export const tarOf = (rootDir: string, path: string, most: number): string =>
  [
    ...rooted(rootDir, path),
    `[ -e "$path" ] || exit ${MISSING}`,
    'if [ -d "$path" ]; then cd "$path" || exit',
    `[ "$(find . ! -type d -printf . 2> /dev/null | head -c ${most + 1} | wc -c)" -le ${most} ] || { echo "it has more than ${most} files, which is the most that a zip takes" >&2; exit 65; }`,
    'exec tar --hard-dereference -cf - .',
    'else cd "$(dirname "$path")" && exec tar -hcf - -- "$(basename "$path")"; fi',
  ].join('\n');

/** The last lines of a file by its absolute path; empty where there is none. */
export const readTail = (host: Host, absolutePath: string, lines: number, bytes: number): Promise<string> =>
  host.run({
    line: `[ -f ${quote(absolutePath)} ] && tail -c ${bytes} -- ${quote(absolutePath)} | tail -n ${lines}; exit 0`,
    parse: ({ stdout }) => stdout,
  });
