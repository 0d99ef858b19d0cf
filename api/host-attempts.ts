import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible';

import { KilimError } from '../domain/errors.js';
import type { ApiDeps, Caller } from './deps.js';

/*
 * Whoever may define systems can have this service knock at any port and try any password. What a host says is told only
 * after a login there, and here is counted how often one user tries. Administrators are not counted.
 */

/** Connections to hosts that refused every login, in a quarter of an hour. */
const failures = new RateLimiterMemory({ points: 20, duration: 900 });
/** Credentials that are given or tried, in an hour: each is a guess. */
const credentials = new RateLimiterMemory({ points: 60, duration: 3600 });

type Who = Pick<ApiDeps, 'installation'>;

const keyOf = ({ installation }: Who, { tenant, user }: Caller): string =>
  `${installation} ${tenant} ${user}`;

const tooMany = (what: string, ms: number): KilimError => {
  const retryAfterSeconds = Math.max(1, Math.ceil(ms / 1000));
  return new KilimError(
    'TOO_MANY_REQUESTS',
    `Too many ${what}; try again in ${Math.ceil(retryAfterSeconds / 60)} minutes.`,
    { retryAfterSeconds },
  );
};

/** Before a host is connected to for a user. @throws KilimError TOO_MANY_REQUESTS */
export async function refuseTooMany(deps: Who, caller: Caller): Promise<void> {
  if (caller.isAdmin) return;
  const used = await failures.get(keyOf(deps, caller));
  if (used && used.remainingPoints <= 0)
    throw tooMany('connections to hosts failed, or were refused a login', used.msBeforeNext);
}

/** A credential that a user gives, or has tried. @throws KilimError TOO_MANY_REQUESTS */
export async function countCredential(deps: Who, caller: Caller): Promise<void> {
  if (caller.isAdmin) return;
  await refuseTooMany(deps, caller);
  await credentials.consume(keyOf(deps, caller)).catch((used: unknown) => {
    throw used instanceof RateLimiterRes
      ? tooMany('credentials were given or tried', used.msBeforeNext)
      : used;
  });
}

/** What a request of the user ended with: a host that never let anybody in, or a credential that it refused, is one failure. */
export async function countFailure(deps: Who, caller: Caller, error: unknown): Promise<void> {
  if (caller.isAdmin || !(error instanceof KilimError)) return;
  if (error.code !== 'CREDENTIAL_CHECK_FAILED' && error.detail['isFirst'] !== true) return;
  await failures.consume(keyOf(deps, caller)).catch(() => undefined);
}
