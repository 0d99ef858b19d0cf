import express, { type Express, type NextFunction, type Request, type Response } from 'express';
import helmet from 'helmet';

import { KilimError } from '../domain/errors.js';
import { runErrand } from '../hosts/asked-for.js';
import { auditRequest, type Outcome } from './audit.js';
import { limitBody, type BodyLimit } from './body-limit.js';
import { cors } from './cors.js';
import type { ApiDeps } from './deps.js';
import { download, onceMore } from './download.js';
import { countFailure } from './host-attempts.js';
import { parseJson, refuseNul } from './read-body.js';
import { envelope, fail, text } from './reply.js';
import { isBytes, isText, type Call, type Route } from './route.js';
import { routes } from './routes/index.js';
import { sendSlices } from './slices.js';
import { createTransferTurns, type TransferTurns } from './transfer-turns.js';

const BODY_LIMIT = '1mb';

/** The HTTP interface: every route is a value, this is the only place that knows Express. */
export function createApp(deps: ApiDeps): Express {
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.set('query parser', 'simple');
  // Only the last entry of X-Forwarded-For comes from the proxy; the client itself may have written the entries before it.
  app.set('trust proxy', deps.config.TRUST_PROXY ? 1 : false);
  app.use(helmet({ contentSecurityPolicy: false, crossOriginResourcePolicy: { policy: 'cross-origin' } }));
  app.use(cors(deps.config.CORS_ORIGINS));
  app.use((req, res, next) => {
    const ms = deps.config.KILIM_BODY_SECONDS * 1000;
    const limit = limitBody(req, res, ms, (error) => fail(res, error, deps.log));
    Object.assign(res.locals, { limit });
    next();
  });
  const turns = createTransferTurns(deps.config.KILIM_TRANSFER_WAIT_SECONDS * 1000);
  const readBody = express.raw({ type: () => true, limit: BODY_LIMIT });
  for (const one of routes)
    app[one.method](
      one.path,
      authenticated(one, deps),
      ...(one.raw ? [] : [readBody]),
      handler(one, deps, turns),
    );
  app.use((req, res) => {
    const isKnown = routes.some(({ path }) => fits(path, req.path));
    fail(
      res,
      new KilimError(
        isKnown ? 'METHOD_NOT_ALLOWED' : 'ROUTE_NOT_FOUND',
        `${req.method} ${req.path} is not served.`,
      ),
      deps.log,
    );
  });
  app.use((error: unknown, req: Request, res: Response, next: NextFunction) => {
    void next;
    const fault = ofFramework(error);
    const { route, caller } = res.locals as { route?: Route; caller?: Call['caller'] };
    if (route) auditRequest(deps, { route, req, user: caller?.user || null }, { error: fault });
    fail(res, fault, deps.log);
  });
  return app;
}

/** What Express and its body reader throw, as an error of Kilim. */
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

/** A route of any method; one slash more at the end does not matter. */
function fits(path: string | RegExp, asked: string): boolean {
  if (path instanceof RegExp) return path.test(asked);
  const wanted = path.split('/');
  const segments = (asked.endsWith('/') ? asked.slice(0, -1) : asked).split('/');
  return (
    segments.length === wanted.length &&
    wanted.every((name, i) => (name.startsWith(':') ? segments[i] !== '' : segments[i] === name))
  );
}

/** Runs before the body is read, so that no body is read for a request without a valid token (platform §8.2). */
const authenticated =
  (one: Route, deps: ApiDeps) =>
  async (req: Request, res: Response, next: NextFunction): Promise<void> => {
    try {
      const caller = one.open
        ? { tenant: deps.config.KILIM_TENANT, user: '', isAdmin: false }
        : await deps.tokens.authenticate(req.headers);
      Object.assign(res.locals, { caller, route: one }); // the route, for the audit line where the body cannot be read
      next();
    } catch (error) {
      req.resume();
      auditRequest(deps, { route: one, req, user: null }, { error });
      fail(res, error, deps.log);
    }
  };

const handler =
  (one: Route, deps: ApiDeps, turns: TransferTurns) =>
  async (req: Request, res: Response): Promise<void> => {
    const caller = res.locals['caller'] as Call['caller'];
    const notes: Call['audit'] = {};
    const audit = (outcome: Outcome): void =>
      auditRequest(deps, { route: one, req, user: caller.user || null, ...notes }, outcome);
    try {
      const call = toCall(one, req, { res, deps, turns, audit: notes });
      await runErrand({ user: `${caller.tenant}:${caller.user}` }, async () => {
        const answer = await onceMore(call, () => one.handle(call, deps));
        audit({ answer });
        await send(call, res, answer, deps);
      });
    } catch (error) {
      await countFailure(deps, caller, error);
      audit({ error });
      if (one.raw) req.resume(); // the rest of the body is dropped, because many clients read the answer only after it
      fail(res, error, deps.log);
    }
  };

async function send(
  call: Call,
  res: Response,
  answer: Awaited<ReturnType<Route['handle']>>,
  { config }: ApiDeps,
): Promise<void> {
  if (isBytes(answer)) await download(call, res, answer, config.KILIM_TRANSFER_IDLE_SECONDS * 1000);
  else if (isText(answer)) text(res, answer);
  else if (answer.slices) await sendSlices(res, answer, answer.slices);
  else envelope(res, answer.status ?? 200, answer);
}

/** A signal that is aborted when the connection of the client is closed or the answer is complete. */
function whileServed(res: Response): AbortSignal {
  const served = new AbortController();
  if (res.closed) served.abort();
  else res.once('close', () => served.abort());
  return served.signal;
}

interface Served {
  res: Response;
  deps: ApiDeps;
  turns: TransferTurns;
  audit: Call['audit'];
}

function toCall(one: Route, req: Request, { res, deps: { config }, turns, audit }: Served): Call {
  const caller = res.locals['caller'] as Call['caller'];
  const signal = whileServed(res);
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
    audit,
    params,
    query: flatQuery(req.query),
    body: one.raw ? null : parseJson(bodyText, req.headers['content-type']),
    bodyText,
    headers: req.headers as Record<string, string | undefined>,
    address: req.ip ?? '',
    request: req,
    bodyLimit: res.locals['limit'] as BodyLimit,
    signal,
    turn: (kind, host) => turns.enter(kind, host, caller.user, signal),
  };
}

function flatQuery(query: Request['query']): Call['query'] {
  for (const [name, value] of Object.entries(query)) {
    if (typeof value !== 'string') throw new KilimError('INVALID_REQUEST', `${name}: may be given once`);
  }
  refuseNul(query);
  return query as Call['query'];
}
