import { randomUUID } from 'node:crypto';

import { exportPKCS8, exportSPKI, generateKeyPair, importPKCS8, importSPKI, jwtVerify, SignJWT } from 'jose';

import { KilimError } from '../../domain/errors.js';
import type { Store } from '../../store/store.js';
import type { Caller } from '../deps.js';

const LIFETIME_SECONDS = 14_400;

export interface IssuedToken {
  access_token: string;
  expires_at: string;
  expires_in: number;
  jti: string;
}

export interface Tokens {
  /** PEM, SubjectPublicKeyInfo: part of the tenant's record. */
  publicKey: string;
  issue: (base: string, tenant: string, user: string) => Promise<IssuedToken>;
  /** @throws KilimError NOT_AUTHENTICATED */
  authenticate: (headers: Record<string, string | string[] | undefined>) => Promise<Caller>;
}

/** JWTs of the platform (specification: platform §7.3, §8.2), signed with a key that is made once and kept sealed. */
export async function createTokens(store: Store, tenant: string): Promise<Tokens> {
  const pair = await generateKeyPair('RS256', { modulusLength: 2048, extractable: true });
  const fresh = JSON.stringify({ private: await exportPKCS8(pair.privateKey), public: await exportSPKI(pair.publicKey) });
  const kept = JSON.parse(await store.settings.init(`signing-key ${tenant}`, fresh)) as { private: string; public: string };
  const privateKey = await importPKCS8(kept.private, 'RS256');
  const publicKey = await importSPKI(kept.public, 'RS256');

  return {
    publicKey: kept.public,
    async issue(base, tenantId, user) {
      const jti = randomUUID();
      const exp = Math.floor(Date.now() / 1000) + LIFETIME_SECONDS;
      const token = await new SignJWT({
        jti, exp, iss: `${base}/v3/tokens`, sub: `${user}@${tenantId}`,
        'tapis/tenant_id': tenantId, 'tapis/token_type': 'access', 'tapis/username': user, 'tapis/account_type': 'user',
        'tapis/delegation': false, 'tapis/delegation_sub': null, 'tapis/client_id': null, 'tapis/grant_type': 'password',
      }).setProtectedHeader({ alg: 'RS256', typ: 'JWT' }).sign(privateKey); // prettier-ignore
      return { access_token: token, expires_at: new Date(exp * 1000).toISOString().replace('Z', '000+00:00'), expires_in: LIFETIME_SECONDS, jti };
    },
    async authenticate(headers) {
      const token = headers['x-tapis-token'] ?? /^Bearer (.+)$/i.exec(String(headers['authorization'] ?? ''))?.[1];
      if (typeof token !== 'string' || token === '') throw new KilimError('NOT_AUTHENTICATED', 'The header X-Tapis-Token is missing.');
      if (headers['x-tapis-tenant'] !== undefined || headers['x-tapis-user'] !== undefined) {
        throw new KilimError('NOT_AUTHENTICATED', 'X-Tapis-Tenant and X-Tapis-User are for services only.');
      }
      // our key and RS256 only: nothing in the token chooses how it is checked
      const { payload } = await jwtVerify(token, publicKey, { algorithms: ['RS256'] }).catch(() => {
        throw new KilimError('NOT_AUTHENTICATED', 'The token is not valid or has expired.');
      });
      const user = payload['tapis/username'];
      if (payload['tapis/token_type'] !== 'access' || payload['tapis/tenant_id'] !== tenant || typeof user !== 'string') {
        throw new KilimError('NOT_AUTHENTICATED', 'The token is not an access token of this tenant.');
      }
      if (payload.jti && (await store.users.isRevoked(payload.jti))) throw new KilimError('NOT_AUTHENTICATED', 'The token was revoked.');
      return { tenant, user, isAdmin: await store.users.isAdmin(tenant, user) };
    },
  };
}
