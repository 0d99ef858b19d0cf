import { KilimError } from '../domain/errors.js';
import { whyUnusable } from '../domain/systems/credential-place.js';
import { isDynamic, type Credential } from '../domain/systems/system.js';
import type { Store } from './store.js';

interface Address {
  tenant: string;
  systemId: string;
  host: string;
  port: number;
  loginUser: string;
  asUser?: string;
}

/** What `hosts/` needs to know of systems, without knowing the store: credentials and pinned host keys. */
export const hostLookups = ({ systems }: Pick<Store, 'systems'>) => ({
  /**
   * The static credential of the login user, or the dynamic one of the Tapis user (specification: platform §3.3).
   * @throws KilimError HOST_LOGIN_REFUSED where the credential was given for another address or login
   */
  async findCredential(address: Address): Promise<Credential | null> {
    const { tenant, systemId, loginUser, asUser } = address;
    const system = await systems.find(tenant, systemId);
    if (!system) return null;
    const [kind, userName] = isDynamic(system)
      ? (['dynamic', asUser ?? loginUser] as const)
      : (['static', loginUser] as const);
    const credential = await systems.getCredential(tenant, systemId, kind, userName);
    const why = credential && whyUnusable(credential, userName, address);
    if (why) throw new KilimError('HOST_LOGIN_REFUSED', why, { systemId });
    return credential;
  },
  hostKeys: {
    find: async ({ tenant, systemId }: Address): Promise<string | null> =>
      (await systems.find(tenant, systemId))?.hostKey ?? null,
    async pin(address: Address, fingerprint: string): Promise<void> {
      const { tenant, systemId, host, port } = address;
      const kept = await systems.pinFirstHostKey(tenant, systemId, { host, port }, fingerprint);
      if (kept === fingerprint) return;
      throw new KilimError(
        'HOST_KEY_CHANGED',
        kept === null
          ? `The system ${systemId} is not at ${host}:${port} any more; the host key there is not kept for it.`
          : `The host key of ${host}:${port} changed from ${kept} to ${fingerprint}.`,
        { systemId },
      );
    },
  },
});
