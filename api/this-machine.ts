import { KilimError } from '../domain/errors.js';
import type { System } from '../domain/systems/system.js';
import { whyNotThisMachine } from '../domain/systems/this-machine.js';
import { isLocal } from '../hosts/local.js';
import type { ApiDeps, Caller } from './deps.js';

type Where = Pick<System, 'tenant' | 'id' | 'owner' | 'host' | 'port'>;

/**
 * Refuses a system that is this machine itself where its owner may not use it, or one of `users`: its jobs run under the
 * account of the service. Asked wherever such a system is defined or opened, since a list of users may change.
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

/** The caller as one of those users; a seed is applied in the name of users who are no administrators. */
export const callerIn = ({ user, isAdmin }: Caller): string[] => (isAdmin ? [] : [user]);
