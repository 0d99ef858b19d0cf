import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible';

import { KilimError } from '../domain/errors.js';
import type { ApiDeps, Caller } from './deps.js';

/*
 * A user who may define systems can make this service connect to any port and try any password. Therefore the words of a host
 * are shown only after a successful login there, and this module counts how often each user tries. Administrators are not
 * counted.
 */

/** Failed connections and refused logins of a user: 20 within 15 minutes. */
const failures = new RateLimiterMemory({ points: 20, duration: 900 });
/** Credentials that a user registers or has tested: 60 within an hour, because each may be a guess. */
const credentials = new RateLimiterMemory({ points: 60, duration: 3600 });

type Installation = Pick<ApiDeps, 'installation'>;

const keyOf = ({ installation }: Installation, { tenant, user }: Caller): string =>
  `${installation} ${tenant} ${user}`;

const tooMany = (what: string, ms: number): KilimError => {
  const retryAfterSeconds = Math.max(1, Math.ceil(ms / 1000));
  return new KilimError(
    'TOO_MANY_REQUESTS',
    `Too many ${what}; try again in ${Math.ceil(retryAfterSeconds / 60)} minutes.`,
    { retryAfterSeconds },
  );
};

/** To be called before a connection to a host is made for a user. @throws KilimError TOO_MANY_REQUESTS */
export async function refuseTooMany(deps: Installation, caller: Caller): Promise<void> {
  if (caller.isAdmin) return;
  const used = await failures.get(keyOf(deps, caller));
  if (used && used.remainingPoints <= 0)
    throw tooMany('connections to hosts failed, or were refused a login', used.msBeforeNext);
}

/** Counts a credential that a user registers or has tested. @throws KilimError TOO_MANY_REQUESTS */
export async function countCredential(deps: Installation, caller: Caller): Promise<void> {
  if (caller.isAdmin) return;
  await refuseTooMany(deps, caller);
  await credentials.consume(keyOf(deps, caller)).catch((used: unknown) => {
    throw used instanceof RateLimiterRes
      ? tooMany('credentials were given or tried', used.msBeforeNext)
      : used;
  });
}

/** Counts a request that failed because a credential was refused, or because of a host that never accepted a login before. */
export async function countFailure(deps: Installation, caller: Caller, error: unknown): Promise<void> {
  if (caller.isAdmin || !(error instanceof KilimError)) return;
  if (error.code !== 'CREDENTIAL_CHECK_FAILED' && error.detail['isFirst'] !== true) return;
  await failures.consume(keyOf(deps, caller)).catch(() => undefined);
}
