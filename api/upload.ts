import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { pipeline } from 'node:stream/promises';
import type { Readable } from 'node:stream';

import busboy from 'busboy';

import { KilimError } from '../domain/errors.js';
import { normalizePath } from '../domain/files/path.js';
import type { RemoteCommand } from '../domain/remote-command.js';
import { fileFault, removePath, rooted, writeFile } from '../hosts/files.js';
import type { Host } from '../hosts/host.js';

/**
 * Streams the part `file` of a multipart body to a path. It appears under its name only when all of it has come:
 * what a broken connection left is removed.
 * @throws KilimError INVALID_REQUEST, NOT_AUTHORIZED (leaves rootDir), DISK_FULL, REMOTE_*
 */
export async function upload(
  request: IncomingMessage,
  host: Host,
  rootDir: string,
  path: string,
): Promise<void> {
  const target = normalizePath(path);
  const folder = target.includes('/') ? `${target.slice(0, target.lastIndexOf('/'))}/` : '';
  const early = `${folder}.kilim-upload-${randomUUID()}`;
  let written: Promise<void> | undefined;
  const take = (stream: Readable): void => {
    written = writeFile(host, rootDir, early, stream);
    written.catch(() => stream.resume()); // the rest is read, so that the answer can go out
  };
  try {
    const parts = partsOf(request);
    parts.on('file', (field, stream) => {
      if (field === 'file' && !written) take(stream);
      else stream.resume();
    });
    await pipeline(request, parts).catch((error: unknown) => {
      throw new KilimError(
        'INVALID_REQUEST',
        `The upload is broken: ${error instanceof Error ? error.message : ''}`,
      );
    });
    if (!written)
      throw new KilimError('INVALID_REQUEST', 'file: the multipart body has no part of this name');
    await written;
    await host.run(moveInto(rootDir, early, target));
  } catch (error) {
    await written?.catch(() => undefined);
    if (written) await removePath(host, rootDir, early).catch(() => undefined);
    throw error;
  }
}

function partsOf({ headers }: IncomingMessage) {
  try {
    return busboy({ headers });
  } catch (error) {
    throw new KilimError(
      'INVALID_REQUEST',
      `The multipart body is not understood: ${error instanceof Error ? error.message : ''}`,
    );
  }
}

const moveInto = (rootDir: string, from: string, to: string): RemoteCommand<void> => ({
  line: [
    ...rooted(rootDir, from),
    'early=$path',
    ...rooted(rootDir, to),
    '[ -d "$path" ] && { echo "a directory is in the way" >&2; exit 65; }',
    'mv -fT -- "$early" "$path"',
  ].join('\n'),
  parse: (reply) => {
    if (reply.exitCode !== 0) throw fileFault(reply, to);
  },
});
