import type { IncomingMessage } from 'node:http';
import { pipeline } from 'node:stream/promises';

import busboy from 'busboy';

import { KilimError } from '../domain/errors.js';
import { writeFile } from '../hosts/change-files.js';
import type { Host } from '../hosts/host.js';
import type { Root } from '../hosts/rooted.js';

/**
 * Streams the part `file` of a multipart body to a path. It appears under its name only when all of it has come:
 * what a broken connection left is removed.
 * @throws KilimError INVALID_REQUEST, NOT_AUTHORIZED (leaves rootDir), DISK_FULL, REMOTE_*
 */
export async function upload(request: IncomingMessage, host: Host, root: Root, path: string): Promise<void> {
  let written: Promise<void> | undefined;
  const parts = partsOf(request);
  parts.on('file', (field, stream) => {
    if (field !== 'file' || written) {
      stream.resume();
      return;
    }
    written = writeFile(host, { root, path }, stream, { whole: () => came });
    written.catch(() => stream.resume()); // the rest is read, so that the answer can go out
  });
  const came = pipeline(request, parts).catch((error: unknown) => {
    throw new KilimError(
      'INVALID_REQUEST',
      `The upload is broken: ${error instanceof Error ? error.message : ''}`,
    );
  });
  try {
    await came;
    if (!written)
      throw new KilimError('INVALID_REQUEST', 'file: the multipart body has no part of this name');
  } finally {
    await written?.catch(() => undefined); // what it made is removed before the answer
  }
  await written;
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
