import type { Deps } from '../activities/deps.js';
import { KilimError } from '../domain/errors.js';
import type { HostAddress } from '../hosts/host.js';
import type { Hosts } from '../hosts/hosts.js';
import type { Store } from '../store/store.js';

type Login = Parameters<Deps['openHost']>;

/**
 * Logs in where the system is now: a new port or address counts for jobs under way. Whether the host there may speak of a job that
 * was launched already, the activities ask.
 */
export const hostOpener =
  (store: Pick<Store, 'systems'>, hosts: Pick<Hosts, 'open'>): Deps['openHost'] =>
  async (...login) =>
    hosts.open(await addressNow(store, ...login));

/** Tests the same address: a job that is BLOCKED goes on when a wrong port is corrected. */
export const hostProber =
  (store: Pick<Store, 'systems'>, hosts: Pick<Hosts, 'probe'>): Deps['probeHost'] =>
  async (tenant, use) =>
    hosts.probe(await addressNow(store, tenant, use, { evenDisabled: true }));

async function addressNow(
  store: Pick<Store, 'systems'>,
  ...[tenant, use, { evenDisabled = false } = {}]: Login
): Promise<HostAddress> {
  const system = await store.systems.find(tenant, use.systemId);
  if (!system || (!evenDisabled && (system.deleted || !system.enabled)))
    throw new KilimError('SYSTEM_NOT_AVAILABLE', `The system ${use.systemId} is not enabled.`, {
      systemId: use.systemId,
    });
  return { tenant, ...use, host: system.host, port: system.port };
}
