import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { finished, type Readable } from 'node:stream';

import busboy, { type Busboy } from 'busboy';

import { KilimError } from '../domain/errors.js';
import { normalizePath } from '../domain/files/path.js';
import type { RemoteCommand } from '../domain/remote-command.js';
import { fileFault, removePath, rooted, writeFile } from '../hosts/files.js';
import type { Host } from '../hosts/host.js';
import { tooLate, whenIdle } from './body-limit.js';
import type { Call } from './route.js';

export interface UploadTarget {
  host: Host;
  rootDir: string;
  path: string;
  /** A client that sends nothing for so long is not waited for; there is no limit on the whole. */
  idleMs: number;
}

/**
 * Streams the part `file` of a multipart body to a path. It appears under its name only when all of it has come:
 * what a broken connection left is removed. An abort ends the command on the host.
 * @throws KilimError INVALID_REQUEST, REQUEST_TIMEOUT, NOT_AUTHORIZED (leaves rootDir), DISK_FULL, REMOTE_*
 */
export async function upload(
  { request, bodyLimit, signal }: Pick<Call, 'request' | 'bodyLimit' | 'signal'>,
  { host, rootDir, path, idleMs }: UploadTarget,
): Promise<void> {
  bodyLimit.lift();
  const target = normalizePath(path);
  const folder = target.includes('/') ? `${target.slice(0, target.lastIndexOf('/'))}/` : '';
  const early = `${folder}.kilim-upload-${randomUUID()}`;
  let written: Promise<void> | undefined;
  try {
    const parts = partsOf(request);
    parts.on('file', (field, stream: Readable) => {
      stream.on('error', () => undefined); // an upload that breaks off breaks its parts, and `received` says it
      if (field !== 'file' || written) return stream.resume();
      written = writeFile(host, rootDir, early, stream, signal);
      written.catch((error: unknown) => parts.destroy(error instanceof Error ? error : new Error(String(error)))); // prettier-ignore
    });
    await received(request, parts, idleMs);
    if (!written)
      throw new KilimError('INVALID_REQUEST', 'file: the multipart body has no part of this name');
    await written;
    await host.run(moveInto(rootDir, early, target));
  } catch (error) {
    await written?.catch(() => undefined);
    if (written) await removePath(host, rootDir, early).catch(() => undefined);
    bodyLimit.impose();
    throw error;
  }
}

/** Resolves when all parts have come. The request itself is not destroyed where they are broken: the answer goes out on its connection. */
const received = (request: IncomingMessage, parts: Busboy, idleMs: number): Promise<void> =>
  new Promise((resolve, reject) => {
    const stopWatching = whenIdle(request, idleMs, () =>
      broken(tooLate(`Nothing of the upload came for ${idleMs / 1000} s.`)),
    );
    const broken = (error: Error): void => {
      stopWatching();
      request.unpipe(parts);
      parts.destroy(error);
      reject(
        error instanceof KilimError
          ? error
          : new KilimError('INVALID_REQUEST', `The upload is broken: ${error.message}`),
      );
    };
    const gone = (): void => broken(new Error('the client has gone'));
    request.once('aborted', gone).once('error', broken);
    if (request.destroyed && !request.complete) return gone();
    finished(parts, (error) => {
      stopWatching();
      request.off('aborted', gone).off('error', broken);
      if (error) broken(error);
      else resolve();
    });
    request.pipe(parts);
  });

function partsOf({ headers }: IncomingMessage): Busboy {
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
