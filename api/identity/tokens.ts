import { randomUUID } from 'node:crypto';

import {
  exportPKCS8,
  exportSPKI,
  generateKeyPair,
  importPKCS8,
  importSPKI,
  jwtVerify,
  SignJWT,
  type JWTPayload,
} from 'jose';

import { KilimError } from '../../domain/errors.js';
import type { Config } from '../../schemas/config.js';
import type { Store } from '../../store/store.js';
import type { Caller } from '../deps.js';
import { createForeignTokens } from './foreign-tokens.js';

interface Times {
  expires_at: string;
  expires_in: number;
  jti: string;
}
export type AccessToken = Times & { access_token: string };
export type RefreshToken = Times & { refresh_token: string };

export interface Login {
  base: string;
  user: string;
  grant: 'password' | 'refresh_token';
  clientId: string | null;
  /** How often this session was refreshed. */
  count?: number;
}

export interface Refreshable {
  user: string;
  clientId: string;
  jti: string;
  expires: string;
  count: number;
}

export interface Tokens {
  /** PEM, SubjectPublicKeyInfo: part of the tenant's record. */
  publicKey: string;
  issue: (login: Login) => Promise<AccessToken>;
  issueRefresh: (login: Login & { clientId: string }) => Promise<RefreshToken>;
  /** @throws KilimError NOT_AUTHENTICATED */
  authenticate: (headers: Record<string, string | string[] | undefined>) => Promise<Caller>;
  /** A refresh token of ours that may be used. @throws KilimError BAD_CREDENTIALS */
  openRefresh: (token: string) => Promise<Refreshable>;
  /** A valid token of either kind stops to count; anything else is silently nothing. */
  revoke: (token: string) => Promise<void>;
}

const refused = (why: string): KilimError => new KilimError('NOT_AUTHENTICATED', `TAPIS_SECURITY_JWT ${why}`);
const instant = (exp: number): string => new Date(exp * 1000).toISOString().replace('Z', '000+00:00');

/** JWTs of the platform (specification: platform §7.3, §8.2), signed with a key that is made once and kept sealed. */
export async function createTokens(store: Store, config: Config): Promise<Tokens> {
  const tenant = config.KILIM_TENANT;
  const keys = await signingKeys(store, tenant);
  const foreign = createForeignTokens(config);

  const sign = async (
    base: string,
    user: string,
    lifetime: number,
    claims: JWTPayload,
  ): Promise<Times & { token: string }> => {
    const jti = randomUUID();
    const exp = Math.floor(Date.now() / 1000) + lifetime;
    const token = await new SignJWT({
      jti,
      exp,
      iss: `${base}/v3/tokens`,
      sub: `${user}@${tenant}`,
      'tapis/tenant_id': tenant,
      ...claims,
    })
      .setProtectedHeader({ alg: 'RS256', typ: 'JWT' })
      .sign(keys.private);
    return { token, expires_at: instant(exp), expires_in: lifetime, jti };
  };
  // our key and RS256 only: nothing in the token chooses how it is checked
  const verify = async (token: string): Promise<JWTPayload> =>
    (await jwtVerify(token, keys.public, { algorithms: ['RS256'] })).payload;
  const isDead = async ({ jti }: JWTPayload): Promise<boolean> =>
    typeof jti !== 'string' || (await store.users.isRevoked(jti));
  const accessClaims = ({ user, grant, clientId, count = 0 }: Login): JWTPayload => ({
    'tapis/token_type': 'access', 'tapis/username': user, 'tapis/account_type': 'user', 'tapis/delegation': false, 'tapis/delegation_sub': null,
    'tapis/client_id': clientId, 'tapis/grant_type': grant, 'tapis/refresh_count': count,
  }); // prettier-ignore

  return {
    publicKey: keys.pem,
    async issue(login) {
      const { token, ...times } = await sign(
        login.base,
        login.user,
        config.KILIM_ACCESS_TOKEN_SECONDS,
        accessClaims(login),
      );
      return { access_token: token, ...times };
    },
    async issueRefresh(login) {
      const { token, ...times } = await sign(login.base, login.user, config.KILIM_REFRESH_TOKEN_SECONDS, {
        'tapis/token_type': 'refresh',
        'tapis/initial_ttl': config.KILIM_REFRESH_TOKEN_SECONDS,
        'tapis/access_token': {
          ...accessClaims(login),
          sub: `${login.user}@${tenant}`,
          'tapis/tenant_id': tenant,
          ttl: config.KILIM_ACCESS_TOKEN_SECONDS,
        },
      });
      return { refresh_token: token, ...times };
    },
    async authenticate(headers) {
      const token =
        headers['x-tapis-token'] ?? /^Bearer (.+)$/i.exec(String(headers['authorization'] ?? ''))?.[1];
      if (typeof token !== 'string' || token === '') throw refused('The header X-Tapis-Token is missing.');
      if (headers['x-tapis-tenant'] !== undefined || headers['x-tapis-user'] !== undefined) {
        throw refused('X-Tapis-Tenant and X-Tapis-User are for services only.');
      }
      const claims = await verify(token).catch(() => foreign(token));
      if (!claims) throw refused('The token is not valid or has expired.');
      const user = claims['tapis/username'];
      if (
        claims['tapis/token_type'] !== 'access' ||
        claims['tapis/tenant_id'] !== tenant ||
        claims['tapis/account_type'] !== 'user' ||
        typeof user !== 'string' ||
        user === ''
      ) {
        throw refused('The token is not the access token of a user of this tenant.');
      }
      if (typeof claims.exp !== 'number') throw refused('The token has no end.');
      if (await isDead(claims)) throw refused('The token was revoked.');
      return { tenant, user, isAdmin: await store.users.isAdmin(tenant, user) };
    },
    async openRefresh(token) {
      const claims = await verify(token).catch(() => null);
      const access = claims?.['tapis/access_token'] as JWTPayload | undefined;
      const user = access?.['tapis/username'];
      const clientId = access?.['tapis/client_id'];
      if (
        claims?.['tapis/token_type'] !== 'refresh' ||
        typeof user !== 'string' ||
        typeof clientId !== 'string' ||
        (await isDead(claims))
      ) {
        throw new KilimError('BAD_CREDENTIALS', 'The refresh token is not valid, was used, or has expired.');
      }
      return {
        user,
        clientId,
        jti: claims.jti ?? '',
        expires: instant(claims.exp ?? 0),
        count: Number(access?.['tapis/refresh_count'] ?? 0),
      };
    },
    async revoke(token) {
      const claims = await verify(token).catch(() => null);
      if (typeof claims?.jti === 'string')
        await store.users.revokeToken(claims.jti, instant(claims.exp ?? 0));
    },
  };
}

async function signingKeys(store: Store, tenant: string) {
  const name = `signing-key ${tenant}`;
  const kept = (await store.settings.get(name)) ?? (await store.settings.init(name, await freshKeys())); // two programs at once agree
  const { private: secret, public: pem } = JSON.parse(kept) as { private: string; public: string };
  return { private: await importPKCS8(secret, 'RS256'), public: await importSPKI(pem, 'RS256'), pem };
}

async function freshKeys(): Promise<string> {
  const pair = await generateKeyPair('RS256', { modulusLength: 2048, extractable: true });
  return JSON.stringify({
    private: await exportPKCS8(pair.privateKey),
    public: await exportSPKI(pair.publicKey),
  });
}
