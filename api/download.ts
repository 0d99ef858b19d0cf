import { pipeline } from 'node:stream';
import type { Readable } from 'node:stream';

import type { Response } from 'express';

import { KilimError } from '../domain/errors.js';
import { shownPath } from '../domain/files/odd-names.js';
import type { Bytes, Call } from './route.js';

/**
 * Sends a file. The transfer waits for its turn at the host. The head is sent only after the first bytes of the file have
 * arrived, so that a file that cannot be read is still answered with an envelope. The transfer ends early when the client
 * closes the connection or reads nothing for `idleMs` milliseconds.
 */
export async function download(call: Call, res: Response, bytes: Bytes, idleMs: number): Promise<void> {
  if (call.request.method === 'HEAD') {
    // the answer to HEAD holds no byte of the file, so none is read on the host
    writeHead(res, bytes);
    res.end();
    return;
  }
  const leave = await call.turn('transfer', bytes.host);
  let stream: Readable;
  try {
    stream = await onceMore(call, () => begun(bytes, call.signal));
  } catch (error) {
    leave();
    throw error;
  }
  if (stream.closed) leave();
  else stream.once('close', leave);
  writeHead(res, bytes);
  endWhenIdle(res, idleMs);
  pipeline(stream, res, () => undefined);
}

/** Repeats a request that only reads, once, when the connection to the host broke: reading twice does no harm. */
export const onceMore = <T>({ request, signal }: Call, work: () => Promise<T>): Promise<T> =>
  work().catch((error: unknown) => {
    const isRead = request.method === 'GET' || request.method === 'HEAD';
    if (isRead && !signal.aborted && error instanceof KilimError && error.code === 'OUTCOME_UNKNOWN')
      return work();
    throw error;
  });

async function begun({ open }: Bytes, signal: AbortSignal): Promise<Readable> {
  const stream = await open(signal);
  await new Promise<void>((resolve, reject) => {
    for (const event of ['readable', 'end', 'close']) stream.once(event, () => resolve());
    stream.once('error', reject);
  });
  return stream;
}

function writeHead(res: Response, { name, size, partial, isInline }: Bytes): void {
  res.statusCode = partial ? 206 : 200;
  res.setHeader('Content-Type', isInline ? 'text/plain' : 'application/octet-stream');
  const ascii = name.replace(/[^ -~]|["\\]/g, '_');
  // RFC 5987 allows no quote, star or parenthesis in a value, and encodeURIComponent leaves these as they are
  const exact = encodeURIComponent(shownPath(name)).replace(
    /['()*]/g,
    (sign) => `%${sign.charCodeAt(0).toString(16)}`,
  );
  res.setHeader(
    'Content-Disposition',
    isInline
      ? 'inline'
      : `attachment; filename="${ascii}"${ascii === name ? '' : `; filename*=UTF-8''${exact}`}`,
  );
  res.setHeader('Cache-Control', 'max-age=3600');
  if (size !== undefined) res.setHeader('Content-Length', String(size));
  if (partial)
    res.setHeader(
      'Content-Range',
      `bytes ${partial.offset}-${partial.offset + partial.length - 1}/${partial.total}`,
    );
}

/**
 * Ends the answer when the client reads nothing for `idleMs` milliseconds although data waits for it. The measure is how many
 * bytes the kernel of this machine accepts for the connection: a slow client keeps its download, and bytes that the client
 * itself sends do not count.
 */
function endWhenIdle(res: Response, idleMs: number): void {
  const { socket } = res;
  // while a large chunk is being written, only the socket's handle tells how much of it the kernel has accepted
  const handle = (socket as { _handle?: { writeQueueSize?: number } } | null)?._handle;
  const taken = (): string =>
    socket ? `${socket.bytesWritten - socket.writableLength} ${handle?.writeQueueSize ?? 0}` : '';
  let last = taken();
  let since = performance.now();
  const timer = setInterval(
    () => {
      const now = taken();
      if (now !== last || res.writableLength === 0) {
        last = now;
        since = performance.now();
      } else if (performance.now() - since >= idleMs) res.destroy();
    },
    Math.min(1000, idleMs / 4),
  );
  res.once('close', () => clearInterval(timer));
}
