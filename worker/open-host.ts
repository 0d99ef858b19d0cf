import type { Deps } from '../activities/deps.js';
import { KilimError } from '../domain/errors.js';
import { whyNotThisMachine } from '../domain/systems/this-machine.js';
import type { Hosts } from '../hosts/hosts.js';
import { isLocal } from '../hosts/local.js';
import type { Store } from '../store/store.js';

/** This machine as a host: whether it is one, and for whom. */
interface ThisMachine {
  isEnabled: boolean;
  users: readonly string[];
}

/** Logs in where the system is now; a new port or address counts for jobs under way. */
export const hostOpener =
  (
    store: Pick<Store, 'systems' | 'users'>,
    hosts: Pick<Hosts, 'open'>,
    { isEnabled, users }: ThisMachine,
  ): Deps['openHost'] =>
  async (tenant, use, { evenDisabled = false } = {}) => {
    const system = await store.systems.find(tenant, use.systemId);
    if (!system || (!evenDisabled && (system.deleted || !system.enabled)))
      throw new KilimError('SYSTEM_NOT_AVAILABLE', `The system ${use.systemId} is not enabled.`, {
        systemId: use.systemId,
      });
    // what follows or ends a run goes on
    if (!evenDisabled && isLocal(system, { isEnabled })) {
      const why = await whyNotThisMachine(system.id, [system.owner, use.asUser], {
        listed: users,
        isAdmin: (user) => store.users.isAdmin(tenant, user),
      });
      if (why !== null) throw new KilimError('SYSTEM_NOT_AVAILABLE', why, { systemId: use.systemId });
    }
    return hosts.open({ tenant, ...use, host: system.host, port: system.port });
  };
