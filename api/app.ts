import express, { type Express, type NextFunction, type Request, type Response } from 'express';
import helmet from 'helmet';

import { KilimError } from '../domain/errors.js';
import { runErrand } from '../hosts/asked-for.js';
import { cors } from './cors.js';
import type { ApiDeps } from './deps.js';
import { parseJson, refuseNul } from './read-body.js';
import { download, envelope, fail, text } from './reply.js';
import { isBytes, isText, type Call, type Route } from './route.js';
import { routes } from './routes/index.js';
import { sendSlices } from './slices.js';

const BODY_LIMIT = '1mb';

/** The HTTP interface: every route is a value, this is the only place that knows Express. */
export function createApp(deps: ApiDeps): Express {
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.set('query parser', 'simple');
  // one proxy: of what stands further left in its headers the client may have written any
  app.set('trust proxy', deps.config.TRUST_PROXY ? 1 : false);
  app.use(helmet({ contentSecurityPolicy: false, crossOriginResourcePolicy: { policy: 'cross-origin' } }));
  app.use(cors(deps.config.CORS_ORIGINS));
  const readBody = express.raw({ type: () => true, limit: BODY_LIMIT });
  for (const one of routes)
    app[one.method](one.path, authenticated(one, deps), ...(one.raw ? [] : [readBody]), handler(one, deps));
  app.use((req, res) => {
    const isKnown = routes.some(({ path }) =>
      (path instanceof RegExp ? path : toRegExp(path)).test(req.path),
    );
    fail(
      res,
      new KilimError(
        isKnown ? 'METHOD_NOT_ALLOWED' : 'ROUTE_NOT_FOUND',
        `${req.method} ${req.path} is not served.`,
      ),
      deps.log,
    );
  });
  app.use((error: unknown, _req: Request, res: Response, next: NextFunction) => {
    void next;
    fail(res, ofFramework(error), deps.log);
  });
  return app;
}

/** What Express and its body reader throw, in our words. */
function ofFramework(error: unknown): unknown {
  const { type, status = 500 } = error as { type?: string; status?: number };
  if (error instanceof KilimError) return error;
  if (type === 'entity.too.large')
    return new KilimError('BODY_TOO_LARGE', `The body is larger than ${BODY_LIMIT}.`);
  if (error instanceof URIError || type === undefined)
    return status === 400 || error instanceof URIError
      ? new KilimError('INVALID_REQUEST', 'The path is not well encoded.')
      : error;
  if (status === 415)
    return new KilimError('UNSUPPORTED_MEDIA_TYPE', 'The encoding of the body is not served.');
  return status < 500 ? new KilimError('INVALID_REQUEST', 'The body could not be read.') : error;
}

const toRegExp = (path: string): RegExp =>
  new RegExp(`^${path.replaceAll('.', '\\.').replace(/:[a-zA-Z]+/g, '[^/]+')}/?$`);

/** Before the body is read: nobody unknown makes us read one (platform §8.2). */
const authenticated =
  (one: Route, deps: ApiDeps) =>
  async (req: Request, res: Response, next: NextFunction): Promise<void> => {
    try {
      const caller = one.open
        ? { tenant: deps.config.KILIM_TENANT, user: '', isAdmin: false }
        : await deps.tokens.authenticate(req.headers);
      res.locals['caller'] = caller;
      next();
    } catch (error) {
      req.resume();
      fail(res, error, deps.log);
    }
  };

/** A connection to a host that broke meanwhile is nothing a reader need hear of: what changes nothing is done again, once. */
const handled = (one: Route, call: Call, deps: ApiDeps): ReturnType<Route['handle']> =>
  runErrand({ user: `${call.caller.tenant}:${call.caller.user}` }, () =>
    one.handle(call, deps).catch((error: unknown) => {
      if (one.method === 'get' && error instanceof KilimError && error.code === 'OUTCOME_UNKNOWN')
        return one.handle(call, deps);
      throw error;
    }),
  );

const handler =
  (one: Route, deps: ApiDeps) =>
  async (req: Request, res: Response): Promise<void> => {
    try {
      const answer = await handled(one, toCall(one, req, res.locals['caller'] as Call['caller'], deps), deps);
      if (isBytes(answer)) await download(res, answer);
      else if (isText(answer)) text(res, answer);
      else if (answer.slices) await sendSlices(res, answer, answer.slices);
      else envelope(res, answer.status ?? 200, answer);
    } catch (error) {
      if (one.raw) req.resume(); // a client that still sends hears of it only when it has sent
      fail(res, error, deps.log);
    }
  };

function toCall(one: Route, req: Request, caller: Call['caller'], { config }: ApiDeps): Call {
  const bodyText = Buffer.isBuffer(req.body) ? req.body.toString('utf8') : '';
  const params = Object.fromEntries(
    Object.entries(req.params as Record<string, string | undefined>).map(([name, value]) => [
      name,
      value ?? '',
    ]),
  );
  refuseNul(params);
  return {
    base: config.PUBLIC_URL ?? `${req.protocol}://${req.host || 'localhost'}`,
    caller,
    params,
    query: flatQuery(req.query),
    body: one.raw ? null : parseJson(bodyText, req.headers['content-type']),
    bodyText,
    headers: req.headers as Record<string, string | undefined>,
    address: req.ip ?? '',
    request: req,
  };
}

function flatQuery(query: Request['query']): Call['query'] {
  for (const [name, value] of Object.entries(query)) {
    if (typeof value !== 'string') throw new KilimError('INVALID_REQUEST', `${name}: may be given once`);
  }
  refuseNul(query);
  return query as Call['query'];
}
