import type { Deps } from '../activities/deps.js';
import { KilimError } from '../domain/errors.js';
import type { System } from '../domain/systems/system.js';
import { whyNotThisMachine } from '../domain/systems/this-machine.js';
import type { HostAddress } from '../hosts/host.js';
import type { Hosts } from '../hosts/hosts.js';
import { isLocal } from '../hosts/local.js';
import type { Store } from '../store/store.js';

/** Whether this machine itself serves as a host, and which users may use it (KILIM_LOCAL_USERS). */
interface ThisMachine {
  isEnabled: boolean;
  users: readonly string[];
}

type Login = Parameters<Deps['openHost']>;

/**
 * Logs in where the system is now: a new port or address also counts for jobs under way. The activities check whether what
 * the host says about a job that was launched already may be believed.
 * @throws KilimError SYSTEM_NOT_AVAILABLE where the system is disabled or deleted, or where it is this machine and the user
 * may not use it
 */
export const hostOpener =
  (
    store: Pick<Store, 'systems' | 'users'>,
    hosts: Pick<Hosts, 'open'>,
    { isEnabled, users }: ThisMachine,
  ): Deps['openHost'] =>
  async (tenant, use, options = {}) => {
    const system = await systemOf(store, tenant, use, options);
    // `evenDisabled` is for following and ending what already runs, which goes on when the right to start is lost
    if (!options.evenDisabled && isLocal(system, { isEnabled })) {
      const why = await whyNotThisMachine(system.id, [system.owner, use.asUser], {
        listed: users,
        isAdmin: (user) => store.users.isAdmin(tenant, user),
      });
      if (why !== null) throw new KilimError('SYSTEM_NOT_AVAILABLE', why, { systemId: use.systemId });
    }
    return hosts.open(addressNow(system, use));
  };

/** Tests the address that a login would use now, so that a BLOCKED job goes on when a wrong port is corrected. */
export const hostProber =
  (store: Pick<Store, 'systems'>, hosts: Pick<Hosts, 'probe'>): Deps['probeHost'] =>
  async (tenant, use) =>
    hosts.probe(addressNow(await systemOf(store, tenant, use, { evenDisabled: true }), use));

async function systemOf(
  store: Pick<Store, 'systems'>,
  ...[tenant, { systemId }, { evenDisabled = false } = {}]: Login
): Promise<System> {
  const system = await store.systems.find(tenant, systemId);
  if (!system || (!evenDisabled && (system.deleted || !system.enabled)))
    throw new KilimError('SYSTEM_NOT_AVAILABLE', `The system ${systemId} is not enabled.`, { systemId });
  return system;
}

const addressNow = ({ tenant, host, port }: System, use: Login[1]): HostAddress => ({
  tenant,
  ...use,
  host,
  port,
});
