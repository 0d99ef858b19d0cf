import { KilimError } from '../domain/errors.js';
import type { System } from '../domain/systems/system.js';
import { whyNotThisMachine } from '../domain/systems/this-machine.js';
import { isLocal } from '../hosts/local.js';
import type { ApiDeps, Caller } from './deps.js';

type Where = Pick<System, 'tenant' | 'id' | 'owner' | 'host' | 'port'>;

/**
 * Refuses a system that is this machine itself if its owner or one of `users` may not use it, because its jobs run on the
 * machine of the service. It is checked wherever such a system is defined or opened, because the list of users may change.
 * @throws KilimError NOT_AUTHORIZED
 */
export async function refuseThisMachine(
  { store, config }: Pick<ApiDeps, 'store' | 'config'>,
  system: Where,
  users: readonly string[],
): Promise<void> {
  if (!isLocal(system, { isEnabled: config.KILIM_LOCAL_EXECUTION })) return;
  const why = await whyNotThisMachine(system.id, [system.owner, ...users], {
    listed: config.KILIM_LOCAL_USERS,
    isAdmin: (user) => store.users.isAdmin(system.tenant, user),
  });
  if (why !== null) throw new KilimError('NOT_AUTHORIZED', why);
}

/**
 * The caller as a list for `users`. It is empty for an administrator. A seed acts as an administrator in the name of each owner
 * in it, although the owner need not be an administrator.
 */
export const callerIn = ({ user, isAdmin }: Caller): string[] => (isAdmin ? [] : [user]);
