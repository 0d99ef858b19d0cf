import { randomUUID } from 'node:crypto';

import type { Response } from 'express';
import type { Logger } from 'pino';

import { KilimError, meaningOf } from '../domain/errors.js';
import { shownBytes } from '../domain/files/odd-names.js';
import { BUILD } from './build-info.js';
import type { Answer, Text } from './route.js';

const members = (status: number, { says, metadata }: Answer): Record<string, unknown> => ({
  status: status < 400 ? 'success' : 'error',
  message: shownBytes(says),
  ...BUILD,
  metadata: metadata ?? null,
});

/** What stands before and behind the records of a list that is sent slice by slice. */
export const envelopeAround = (answer: Answer): [before: string, after: string] => [
  `${JSON.stringify(members(answer.status ?? 200, answer)).slice(0, -1)},"result":[`,
  ']}',
];

/** The one writer of envelopes. Bare `application/json`: official clients compare the whole header (platform §1.2). */
export function envelope(res: Response, status: number, answer: Answer): void {
  const text = JSON.stringify({ ...members(status, answer), result: answer.result ?? null });
  res.statusCode = status;
  res.setHeader('Content-Type', 'application/json');
  res.end(text);
}

/** Every failure as an envelope; one that nobody foresaw says only where the log has it. */
export function fail(res: Response, error: unknown, log: Logger): void {
  const isOurs = error instanceof KilimError;
  const status = isOurs ? (meaningOf(error.code).http ?? 500) : 500;
  const id = randomUUID();
  if (status === 500)
    log.error({ err: error, id, path: res.req.path }, 'a request met an error nobody foresaw');
  if (res.headersSent) {
    res.destroy(); // in mid-stream no envelope can follow
    return;
  }
  if (status === 500)
    return envelope(res, 500, { says: `INTERNAL The service met an error; its log has it under ${id}.` });
  if (status === 408) res.setHeader('Connection', 'close'); // what still comes would be taken for the next request
  const { code, message, detail } = error as KilimError;
  const retryAfter = detail['retryAfterSeconds'] ?? (status === 503 ? 5 : undefined);
  if (typeof retryAfter === 'number') res.setHeader('Retry-After', String(retryAfter));
  envelope(res, status, {
    says: `${code} ${message}`,
    result: detail['name'] ? { name: detail['name'] } : null,
  });
}

export function text(res: Response, { text: body, type }: Text): void {
  res.setHeader('Content-Type', type);
  res.end(body);
}
