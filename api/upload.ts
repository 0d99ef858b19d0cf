import type { IncomingMessage } from 'node:http';
import { finished, type Readable } from 'node:stream';

import busboy, { type Busboy } from 'busboy';

import { KilimError } from '../domain/errors.js';
import { writeFile } from '../hosts/change-files.js';
import type { Host } from '../hosts/host.js';
import type { Root } from '../hosts/rooted.js';
import { tooLate, whenIdle } from './body-limit.js';
import type { Call } from './route.js';

export interface UploadTarget {
  host: Host;
  root: Root;
  path: string;
  /** The upload fails when the client sends nothing for so long; its total time has no limit. */
  idleMs: number;
}

/**
 * Streams the part `file` of a multipart body to a path. The file gets its name only after all of it has arrived; what a
 * broken connection leaves behind is removed. An abort ends the command on the host.
 * @throws KilimError INVALID_REQUEST, REQUEST_TIMEOUT, NOT_AUTHORIZED (leaves rootDir), DISK_FULL, REMOTE_*
 */
export async function upload(
  { request, bodyLimit, signal }: Pick<Call, 'request' | 'bodyLimit' | 'signal'>,
  { host, root, path, idleMs }: UploadTarget,
): Promise<void> {
  bodyLimit.lift();
  let written: Promise<void> | undefined;
  const parts = partsOf(request);
  const came = received(request, parts, idleMs);
  came.catch(() => undefined); // the rejection is handled below and in `writeFile`; this keeps it from counting as unhandled
  parts.on('file', (field, stream: Readable) => {
    stream.on('error', () => undefined); // when an upload breaks off, its parts fail as well; `received` reports the error
    if (field !== 'file' || written) return stream.resume();
    written = writeFile(host, { root, path }, stream, { signal, whole: () => came });
    written.catch((error: unknown) => parts.destroy(error instanceof Error ? error : new Error(String(error)))); // prettier-ignore
  });
  try {
    await came;
    if (!written)
      throw new KilimError('INVALID_REQUEST', 'file: the multipart body has no part of this name');
    await written;
  } catch (error) {
    await written?.catch(() => undefined); // `writeFile` removes its temporary file before the answer is sent
    bodyLimit.impose();
    throw error;
  }
}

/** Resolves when all parts have arrived. A broken upload does not destroy the request, whose connection carries the answer. */
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
    // this also handles the 'error' event of `parts`, which would end the program if nothing listened to it
    finished(parts, (error) => {
      stopWatching();
      request.off('aborted', gone).off('error', broken);
      if (error) broken(error);
      else resolve();
    });
    if (request.destroyed && !request.complete) gone();
    else request.pipe(parts);
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
