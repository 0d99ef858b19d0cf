import { pipeline } from 'node:stream';

import type { Response } from 'express';

import { KilimError, meaningOf } from '../domain/errors.js';
import type { Answer, Bytes } from './route.js';

const VERSION = '0.1.0';

/** The one writer of envelopes. Bare `application/json`: official clients compare the whole header (platform §1.2). */
export function envelope(res: Response, status: number, { says, result = null, metadata }: Answer): void {
  const text = JSON.stringify({
    status: status < 400 ? 'success' : 'error',
    message: says,
    version: VERSION,
    commit: 'unknown',
    build: '2026-11-24T00:00:00Z',
    metadata: metadata ?? null,
    result,
  });
  res.statusCode = status;
  res.setHeader('Content-Type', 'application/json');
  res.end(text);
}

export function fail(res: Response, error: unknown): void {
  if (res.headersSent) {
    res.destroy(); // in mid-stream no envelope can follow
    return;
  }
  if (!(error instanceof KilimError)) return envelope(res, 500, { says: 'INTERNAL The service met an error; it is in its log.' });
  const status = meaningOf(error.code).http ?? 500;
  if (status === 503) res.setHeader('Retry-After', '5');
  const result = error.code === 'JOB_NOT_FOUND' || error.detail['name'] ? { name: error.detail['name'] ?? null } : null;
  envelope(res, status, { says: `${error.code} ${error.message}`, result });
}

export function download(res: Response, { stream, name, size, partial }: Bytes): void {
  res.statusCode = partial ? 206 : 200;
  res.setHeader('Content-Type', 'application/octet-stream');
  res.setHeader('Content-Disposition', `attachment; filename="${name.replace(/[^ -~]|["\\]/g, '_')}"; filename*=UTF-8''${encodeURIComponent(name)}`);
  res.setHeader('Cache-Control', 'max-age=3600');
  if (size !== undefined) res.setHeader('Content-Length', String(size));
  if (partial) res.setHeader('Content-Range', `bytes ${partial.offset}-${partial.offset + partial.length - 1}/${partial.total}`);
  pipeline(stream, res, () => undefined);
}
