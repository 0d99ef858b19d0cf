import type { IncomingMessage } from 'node:http';

import type { Response } from 'express';

import { KilimError } from '../domain/errors.js';

/** Limits how long the body of a request may take. A late body is answered with 408, and its connection is closed. */
export interface BodyLimit {
  /** Ends the limit: from now on the caller checks that the body goes on. */
  lift: () => void;
  /** Starts the limit again for the rest of the body. */
  impose: () => void;
}

/**
 * Limits the total time of a body. Node's own limit (`requestTimeout`) would also end long uploads, and without an envelope;
 * it is switched off, and this limit replaces it.
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
 * Calls `onIdle` when the client has sent nothing for `ms` milliseconds although everything it sent before was processed. While
 * received bytes still wait to be processed, the host is slow and not the client. Returns a function that stops the watch.
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
