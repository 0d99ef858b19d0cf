import type { IncomingHttpHeaders } from 'node:http';

import type { Logger } from 'pino';

import { KilimError, meaningOf, type ErrorCode } from '../domain/errors.js';
import { now } from '../store/now.js';
import type { ApiDeps } from './deps.js';
import { isBytes, isText, type Answer, type Bytes, type Route, type Text } from './route.js';

/** One line of the log for each log-in, each refusal and each change: the user, the action, the address and the outcome. */
export interface AuditLine {
  tenant: string;
  /** The user's name; null where the token was missing or invalid. At a log-in it is the name that was given. */
  user: string | null;
  /** For a command: the account of the machine under which it was run. */
  account?: string;
  /** Method and path of the route, or the command. */
  operation: string;
  resource: string;
  /** The address of the client, or `this machine`. */
  from: string;
  outcome: 'ok' | 'refused' | 'failed';
  code?: ErrorCode;
  status?: number;
  /** The message of the answer, after a success only: it repeats names from the body, and no secret. */
  said?: string;
  requestId?: string;
}

/** Writes an audit line at every LOG_LEVEL except `silent`. */
export function writeAudit(log: Logger, line: AuditLine): void {
  if (log.level === 'silent') return;
  log.child({ audit: true }, { level: 'info' }).info({ at: now(), ...line }, 'audit');
}

/** The result of handling a request. */
export type Outcome = { answer: Answer | Bytes | Text } | { error: unknown };

interface Request {
  route: Route;
  req: { path: string; ip?: string | undefined; headers: IncomingHttpHeaders };
  user?: string | null | undefined;
  /** What was changed, where the path does not name it. */
  resource?: string;
}

/**
 * The only place where requests are audited. A route whose method is not GET changes something, unless it declares that it
 * only reads; each request to such a route gets a line. A request to any other route gets a line when it is refused.
 */
export function auditRequest(
  { config, log }: Pick<ApiDeps, 'config' | 'log'>,
  { route, req, user = null, resource = req.path }: Request,
  outcome: Outcome,
): void {
  const end =
    'error' in outcome ? endOf(outcome.error) : { outcome: 'ok' as const, ...saidBy(outcome.answer) };
  const isChange = route.method !== 'get' && !route.reads;
  if (!isChange && end.outcome !== 'refused') return;
  const requestId = req.headers['x-request-id'] ?? req.headers['x-tapis-tracking-id'];
  writeAudit(log, {
    tenant: config.KILIM_TENANT,
    user: user?.slice(0, 100) ?? null,
    operation: operationOf(route),
    resource: resource.slice(0, 500),
    from: req.ip ?? '',
    ...end,
    ...(typeof requestId === 'string' ? { requestId: requestId.slice(0, 100) } : {}),
  });
}

const saidBy = (answer: Answer | Bytes | Text): { said?: string } =>
  isBytes(answer) || isText(answer) ? {} : { said: answer.says.slice(0, 500) };

const REFUSALS = [401, 403, 429];

/** A valid token may be refused because its user is locked out; the error then carries the name of that user. */
function endOf(error: unknown): Pick<AuditLine, 'outcome' | 'code' | 'status'> & { user?: string } {
  const isOurs = error instanceof KilimError;
  const code = isOurs ? error.code : 'INTERNAL';
  const status = meaningOf(code).http ?? 500;
  const isRefusal = REFUSALS.includes(status) || code === 'BAD_CREDENTIALS';
  const user = isOurs ? error.detail['user'] : undefined;
  return {
    outcome: isRefusal ? 'refused' : 'failed',
    code,
    status,
    ...(typeof user === 'string' ? { user: user.slice(0, 100) } : {}),
  };
}

/** A route whose path is a regular expression is named by the fixed text at the beginning of the expression. */
const operationOf = ({ method, path }: Route): string =>
  `${method.toUpperCase()} ${path instanceof RegExp ? beginOf(path.source.replaceAll('\\', '')) : path}`;

const beginOf = (source: string): string => {
  const bare = source.startsWith('^') ? source.slice(1) : source;
  const ends = ['/(', '/['].map((group) => bare.indexOf(group)).filter((at) => at >= 0);
  return bare.slice(0, Math.min(bare.length, ...ends));
};
