import { KilimError } from '../domain/errors.js';
import type { Store } from '../store/store.js';
import type { ApiDeps, Caller } from './deps.js';

/** Permissions are small, and each member of a group needs several of them, so their limit is higher. */
const PERMISSIONS_PER_RECORD = 10;

/** Counts the records of each kind that a user has. */
const COUNTS = {
  systems: (store: Store, tenant: string, user: string) => store.systems.countOwned(tenant, user),
  'versions of applications': (store: Store, tenant: string, user: string) =>
    store.apps.countOwned(tenant, user),
  'scheduler profiles': (store: Store, tenant: string, user: string) =>
    store.profiles.countOwned(tenant, user),
  clients: async (store: Store, tenant: string, user: string) =>
    (await store.grants.held(tenant, 'client:', user, 'OWNER')).size,
  permissions: (store: Store, tenant: string, user: string) => store.grants.countGiven(tenant, user),
} as const;

/** Only these are marked as deleted and kept until a purge; records of the other kinds are removed at once. */
const KEPT: readonly string[] = ['systems', 'versions of applications'];

/**
 * Refuses a further record for a user whose records of this kind reach the configured limit. Administrators have no limit.
 * @throws KilimError TOO_MANY_RECORDS
 */
export async function refuseMoreOf(
  kind: keyof typeof COUNTS,
  owner: string,
  caller: Caller,
  { store, config }: ApiDeps,
): Promise<void> {
  if (caller.isAdmin) return;
  const most = config.KILIM_USER_MAX_RECORDS * (kind === 'permissions' ? PERMISSIONS_PER_RECORD : 1);
  if ((await COUNTS[kind](store, caller.tenant, owner)) >= most)
    throw new KilimError(
      'TOO_MANY_RECORDS',
      `${owner} has ${most} ${kind}, and no more are allowed (KILIM_USER_MAX_RECORDS).` +
        (KEPT.includes(kind) ? ' Deleted ones count until an operator purges them.' : ''),
    );
}

/** Refuses a further job of a user whose live jobs reach the configured limit. @throws KilimError TOO_MANY_RECORDS */
export async function refuseMoreJobs(
  { tenant, user, isAdmin }: Caller,
  { store, config }: ApiDeps,
): Promise<void> {
  const most = config.KILIM_USER_MAX_LIVE_JOBS;
  if (!isAdmin && (await store.jobs.countLive(tenant, user)) >= most)
    throw new KilimError(
      'TOO_MANY_RECORDS',
      `${user} has ${most} jobs under way, and no more are allowed (KILIM_USER_MAX_LIVE_JOBS). Submit again when some have ended.`,
    );
}
