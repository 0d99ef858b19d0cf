import type { Deps } from '../activities/deps.js';
import { KilimError } from '../domain/errors.js';
import type { Hosts } from '../hosts/hosts.js';
import type { Store } from '../store/store.js';

/** Logs in where the system is now; a new port or address counts for jobs under way. */
export const hostOpener =
  (store: Pick<Store, 'systems'>, hosts: Pick<Hosts, 'open'>): Deps['openHost'] =>
  async (tenant, use, { evenDisabled = false } = {}) => {
    const system = await store.systems.find(tenant, use.systemId);
    if (!system || (!evenDisabled && (system.deleted || !system.enabled)))
      throw new KilimError('SYSTEM_NOT_AVAILABLE', `The system ${use.systemId} is not enabled.`, {
        systemId: use.systemId,
      });
    return hosts.open({ tenant, ...use, host: system.host, port: system.port });
  };
