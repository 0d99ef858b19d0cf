import type { NextFunction, Request, Response } from 'express';

const METHODS = 'GET, POST, PUT, PATCH, DELETE, OPTIONS, HEAD';
const HEADERS =
  'Content-Type, Authorization, X-Tapis-Token, X-Tapis-Tenant, X-Tapis-User, X-Tapis-Tracking-ID, Idempotency-Key, Range, more';
const EXPOSED = 'Content-Disposition, Content-Length, Content-Range, Retry-After';

/** Lets pages of the configured origins in (specification: platform §8.8); answers every preflight by itself. */
export const cors =
  (origins: readonly string[]) =>
  (req: Request, res: Response, next: NextFunction): void => {
    const { origin } = req.headers;
    res.setHeader('Vary', 'Origin');
    if (origin && (origins.includes(origin) || origins.includes('*'))) {
      res.setHeader('Access-Control-Allow-Origin', origin);
      res.setHeader('Access-Control-Allow-Methods', METHODS);
      res.setHeader('Access-Control-Allow-Headers', HEADERS);
      res.setHeader('Access-Control-Expose-Headers', EXPOSED);
    }
    if (req.method !== 'OPTIONS') return next();
    res.statusCode = 204;
    res.end();
  };
