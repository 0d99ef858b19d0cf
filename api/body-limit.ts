import type { IncomingMessage } from 'node:http';

import type { Response } from 'express';

import { KilimError } from '../domain/errors.js';

/** How long the body of a request may take. A body that is late is answered, and its connection is closed. */
export interface BodyLimit {
  /** From now on the body may take as long as it likes: the caller watches it. */
  lift: () => void;
  /** What is left of it has as long again. */
  impose: () => void;
}

/**
 * Limits the time that a body takes in all. Node's own limit (`requestTimeout`) would cut uploads as well, without a
 * word; it is off, and this stands in its place.
 */
export function limitBody(
  request: IncomingMessage,
  res: Response,
  ms: number,
  answer: (error: KilimError) => void,
): BodyLimit {
  let timer: NodeJS.Timeout | undefined;
  const lift = (): void => clearTimeout(timer);
  const late = (): void => {
    if (request.complete) return;
    if (res.headersSent) request.destroy();
    else answer(tooLate(`The body of the request did not come within ${ms / 1000} s.`));
  };
  const impose = (): void => {
    lift();
    if (!request.complete && !request.destroyed) timer = setTimeout(late, ms);
  };
  request.once('end', lift).once('close', lift);
  impose();
  return { lift, impose };
}

export const tooLate = (says: string): KilimError => new KilimError('REQUEST_TIMEOUT', says);

/**
 * Calls back when the client has sent nothing for so long while this side was ready to take something. What came and
 * was not taken yet is the host's silence. Returns the way to stop watching.
 */
export function whenIdle(request: IncomingMessage, ms: number, onIdle: () => void): () => void {
  let last = request.socket.bytesRead;
  let since = performance.now();
  const timer = setInterval(
    () => {
      const now = request.socket.bytesRead;
      if (now !== last || request.readableLength > 0 || request.complete) {
        last = now;
        since = performance.now();
      } else if (performance.now() - since >= ms) {
        clearInterval(timer);
        onIdle();
      }
    },
    Math.min(1000, ms / 4),
  );
  return () => clearInterval(timer);
}
