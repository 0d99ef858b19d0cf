import express, { type Express, type NextFunction, type Request, type Response } from 'express';
import helmet from 'helmet';

import { KilimError } from '../domain/errors.js';
import type { ApiDeps } from './deps.js';
import { download, envelope, fail } from './reply.js';
import { isBytes, type Call, type Route } from './route.js';
import { routes } from './routes/index.js';

const BODY_LIMIT = '1mb';

/** The HTTP interface: every route is a value, this is the only place that knows Express. */
export function createApp(deps: ApiDeps): Express {
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.set('query parser', 'simple');
  app.use(helmet({ contentSecurityPolicy: false }));
  const readBody = express.raw({ type: () => true, limit: BODY_LIMIT });
  for (const one of routes) app[one.method](one.path, ...(one.raw ? [] : [readBody]), handler(one, deps));
  app.use((req, res) => {
    const others = routes.filter(({ path }) => (path instanceof RegExp ? path.test(req.path) : toRegExp(path).test(req.path)));
    const code = others.length > 0 ? 'METHOD_NOT_ALLOWED' : 'ROUTE_NOT_FOUND';
    fail(res, new KilimError(code, `${req.method} ${req.path} is not served.`));
  });
  app.use((error: { type?: string; status?: number }, _req: Request, res: Response, next: NextFunction) => {
    void next;
    if (error.type === 'entity.too.large') return fail(res, new KilimError('BODY_TOO_LARGE', `The body is larger than ${BODY_LIMIT}.`));
    if (error instanceof URIError || error.status === 400) return fail(res, new KilimError('INVALID_REQUEST', 'The path is not well encoded.'));
    if (!(error instanceof KilimError)) deps.log.error({ err: error }, 'a request met an error nobody foresaw');
    fail(res, error);
  });
  return app;
}

const toRegExp = (path: string): RegExp => new RegExp(`^${path.replace(/:[a-zA-Z]+/g, '[^/]+')}/?$`);

const handler = (one: Route, deps: ApiDeps) => async (req: Request, res: Response): Promise<void> => {
  try {
    const call = await toCall(one, req, deps);
    const answer = await one.handle(call, deps);
    if (isBytes(answer)) download(res, answer);
    else envelope(res, answer.status ?? 200, answer);
  } catch (error) {
    if (!(error instanceof KilimError)) deps.log.error({ err: error, path: req.path }, 'a request met an error nobody foresaw');
    fail(res, error);
  }
};

async function toCall(one: Route, req: Request, deps: ApiDeps): Promise<Call> {
  const base = deps.config.PUBLIC_URL ?? `${req.protocol}://${req.headers.host ?? 'localhost'}`;
  const caller = one.open ? { tenant: deps.config.KILIM_TENANT, user: '', isAdmin: false } : await deps.tokens.authenticate(req.headers);
  const bodyText = Buffer.isBuffer(req.body) ? req.body.toString('utf8') : '';
  return {
    base,
    caller,
    params: Object.fromEntries(Object.entries(req.params as Record<string, string | undefined>).map(([name, value]) => [name, value ?? ''])),
    query: flatQuery(req.query),
    body: one.raw ? null : parseJson(bodyText, req.headers['content-type']),
    bodyText,
    headers: req.headers as Record<string, string | undefined>,
    request: req,
  };
}

function flatQuery(query: Request['query']): Call['query'] {
  for (const [name, value] of Object.entries(query)) {
    if (typeof value !== 'string') throw new KilimError('INVALID_REQUEST', `${name}: may be given once`);
  }
  return query as Call['query'];
}

function parseJson(text: string, type = 'application/json'): unknown {
  if (text.trim() === '') return null;
  if (/^application\/x-www-form-urlencoded/i.test(type)) return Object.fromEntries(new URLSearchParams(text));
  if (!/^application\/([a-z.+-]+\+)?json\b/i.test(type)) throw new KilimError('UNSUPPORTED_MEDIA_TYPE', `The body must be application/json, not ${type}.`);
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new KilimError('INVALID_JSON', `The body is not JSON: ${error instanceof Error ? error.message : ''}`);
  }
}
