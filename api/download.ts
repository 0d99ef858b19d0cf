import { pipeline } from 'node:stream';
import type { Readable } from 'node:stream';

import type { Response } from 'express';

import { KilimError } from '../domain/errors.js';
import { shown } from '../hosts/odd-bytes.js';
import type { Bytes, Call } from './route.js';

/**
 * Sends a file: the transfer takes its turn at the host, its first bytes are awaited before the head goes out, so that
 * a file that cannot be read is still an envelope, and a client that leaves, or takes nothing for `idleMs`, ends it.
 */
export async function download(call: Call, res: Response, bytes: Bytes, idleMs: number): Promise<void> {
  if (call.request.method === 'HEAD') {
    // nothing of the file would be sent, so that nothing of it is read
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

/** A connection to a host that broke meanwhile is nothing a reader need hear of: what changes nothing is done again, once. */
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
  // RFC 5987; what it calls `attr-char` has no quote, star or bracket
  const exact = encodeURIComponent(shown(name)).replace(
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
 * Ends the answer to a client that takes nothing for so long while there is something to take. What counts is what this
 * machine's kernel takes for it, so that a client may be slow, and what the client says meanwhile does not count.
 */
function endWhenIdle(res: Response, idleMs: number): void {
  const { socket } = res;
  // of a large piece that is under way, only the handle tells how much has been taken
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
