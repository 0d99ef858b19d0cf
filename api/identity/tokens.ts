import { randomUUID } from 'node:crypto';

import { SignJWT, type JWK, type JWTPayload } from 'jose';

import { KilimError } from '../../domain/errors.js';
import type { Config } from '../../schemas/config.js';
import type { Store } from '../../store/store.js';
import type { Caller } from '../deps.js';
import { createForeignTokens } from './foreign-tokens.js';
import { createSigningKeys } from './signing-keys.js';

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
  /** The user's generation when the log-in began; the tokens are invalid as soon as the user has a later generation. */
  generation: number;
  /** How often this session was refreshed. */
  count?: number;
}

export interface Refreshable {
  user: string;
  clientId: string;
  jti: string;
  expires: string;
  generation: number;
  count: number;
}

export interface Tokens {
  /** `pem`: the signing key (SubjectPublicKeyInfo) for the tenant's record; `jwks`: all keys that verify tokens. */
  publicKeys: () => Promise<{ pem: string; jwks: JWK[] }>;
  issue: (login: Login) => Promise<AccessToken>;
  issueRefresh: (login: Login & { clientId: string }) => Promise<RefreshToken>;
  /** @throws KilimError NOT_AUTHENTICATED */
  authenticate: (headers: Record<string, string | string[] | undefined>) => Promise<Caller>;
  /** Opens a refresh token of this installation that may still be used. @throws KilimError BAD_CREDENTIALS, NOT_AUTHENTICATED */
  openRefresh: (token: string) => Promise<Refreshable>;
  /** Revokes a valid token of either kind and returns its user; returns null, without an error, for anything else. */
  revoke: (token: string) => Promise<string | null>;
}

const refused = (why: string, user?: string): KilimError =>
  new KilimError('NOT_AUTHENTICATED', `TAPIS_SECURITY_JWT ${why}`, user === undefined ? {} : { user });
/** The error for a disabled user who has presented a right password or token. */
export const isDisabled = (user: string): KilimError =>
  refused(`The user ${user} is disabled; an operator can enable it again.`, user);

const instant = (exp: number): string => new Date(exp * 1000).toISOString().replace('Z', '000+00:00');
const GENERATION = 'kilim/generation';
/** Tokens of older releases carry no generation and belong to the first one, 0. */
const generationOf = (claims: JWTPayload): number => Number(claims[GENERATION] ?? 0);
const asText = (value: unknown): string | null => (typeof value === 'string' && value !== '' ? value : null);

/** JWTs of the platform (specification: platform §7.3, §8.2), signed with a key that the store holds sealed. */
export async function createTokens(store: Store, config: Config): Promise<Tokens> {
  const tenant = config.KILIM_TENANT;
  const keys = createSigningKeys(store.settings, tenant);
  await keys(); // the key is made at the start, so that the first request does not wait for it
  const foreign = createForeignTokens(config);
  const issuing = issuer(config, keys);
  return {
    publicKeys: keys,
    ...issuing,
    async authenticate(headers) {
      const token = tokenOf(headers);
      const ours = await (await keys()).verify(token);
      const claims = ours ?? (await foreign(token));
      if (!claims) throw refused('The token is not valid or has expired.');
      const user = userOfAccess(claims, tenant);
      return {
        tenant,
        user,
        isAdmin: await isAdminNow(store, { tenant, user, claims, isOurs: ours !== null }),
      };
    },
    async openRefresh(token) {
      const claims = await (await keys()).verify(token);
      const access = claims?.['tapis/access_token'] as JWTPayload | undefined;
      const user = asText(access?.['tapis/username']);
      const clientId = asText(access?.['tapis/client_id']);
      const invalid = new KilimError(
        'BAD_CREDENTIALS',
        'The refresh token is not valid, was used, was revoked, or has expired.',
      );
      if (claims?.['tapis/token_type'] !== 'refresh' || !claims.jti || user === null || clientId === null)
        throw invalid;
      const standing = await store.users.standing(tenant, user, { jti: claims.jti, clientId });
      if (standing.isDisabled) throw isDisabled(user);
      if (standing.isRevoked || standing.generation !== generationOf(claims)) throw invalid;
      return {
        user,
        clientId,
        jti: claims.jti,
        expires: instant(claims.exp ?? 0),
        generation: standing.generation,
        count: Number(access?.['tapis/refresh_count'] ?? 0),
      };
    },
    async revoke(token) {
      const claims = await (await keys()).verify(token);
      if (typeof claims?.jti !== 'string') return null;
      await store.users.revokeToken(claims.jti, instant(claims.exp ?? 0));
      const access = claims['tapis/access_token'] as JWTPayload | undefined;
      return asText((access ?? claims)['tapis/username']);
    },
  };
}

function tokenOf(headers: Record<string, string | string[] | undefined>): string {
  const token =
    headers['x-tapis-token'] ?? /^Bearer (.+)$/i.exec(String(headers['authorization'] ?? ''))?.[1];
  if (typeof token !== 'string' || token === '') throw refused('The header X-Tapis-Token is missing.');
  if (headers['x-tapis-tenant'] !== undefined || headers['x-tapis-user'] !== undefined)
    throw refused('X-Tapis-Tenant and X-Tapis-User are for services only.');
  return token;
}

function userOfAccess(claims: JWTPayload, tenant: string): string {
  const user = asText(claims['tapis/username']);
  if (
    claims['tapis/token_type'] !== 'access' ||
    claims['tapis/tenant_id'] !== tenant ||
    claims['tapis/account_type'] !== 'user' ||
    user === null
  ) {
    throw refused('The token is not the access token of a user of this tenant.');
  }
  if (typeof claims.exp !== 'number') throw refused('The token has no end.');
  return user;
}

/**
 * Returns whether the user of a verified token is an administrator. The store is asked at every request, so that a lockout
 * takes effect in every API process with the next request.
 * @throws KilimError NOT_AUTHENTICATED where the user is locked out or the token was ended
 */
async function isAdminNow(
  { users }: Store,
  { tenant, user, claims, isOurs }: { tenant: string; user: string; claims: JWTPayload; isOurs: boolean },
): Promise<boolean> {
  const ended = (): KilimError => refused('The token was revoked.', user);
  if (typeof claims.jti !== 'string') throw refused('The token has no id (jti).', user);
  const clientId = isOurs ? asText(claims['tapis/client_id']) : null;
  const standing = await users.standing(tenant, user, { jti: claims.jti, clientId });
  if (standing.isDisabled) throw isDisabled(user);
  if (standing.isClientDisabled)
    throw refused(`The owner of the client ${clientId ?? ''} is disabled, which got this token.`, user);
  if (standing.isRevoked) throw ended();
  if (isOurs ? standing.generation !== generationOf(claims) : isBefore(claims, standing.revokedAt))
    throw ended();
  return standing.isAdmin;
}

/** Was a token of another issuer issued before the revocation? Only its `iat` tells; a token without `iat` counts as older. */
const isBefore = ({ iat }: JWTPayload, revokedAt: string | null): boolean =>
  revokedAt !== null && (iat === undefined || iat * 1000 <= Date.parse(revokedAt));

function issuer(
  config: Config,
  keys: ReturnType<typeof createSigningKeys>,
): Pick<Tokens, 'issue' | 'issueRefresh'> {
  const tenant = config.KILIM_TENANT;
  const sign = async (
    { base, user, generation }: Login,
    lifetime: number,
    claims: JWTPayload,
  ): Promise<Times & { token: string }> => {
    const key = await keys();
    const jti = randomUUID();
    const exp = Math.floor(Date.now() / 1000) + lifetime;
    const token = await new SignJWT({
      jti,
      exp,
      iss: `${base}/v3/tokens`,
      sub: `${user}@${tenant}`,
      'tapis/tenant_id': tenant,
      [GENERATION]: generation,
      ...claims,
    })
      .setProtectedHeader({ alg: 'RS256', typ: 'JWT', kid: key.kid })
      .sign(key.private);
    return { token, expires_at: instant(exp), expires_in: lifetime, jti };
  };
  const accessClaims = ({ user, grant, clientId, count = 0 }: Login): JWTPayload => ({
    'tapis/token_type': 'access', 'tapis/username': user, 'tapis/account_type': 'user', 'tapis/delegation': false, 'tapis/delegation_sub': null,
    'tapis/client_id': clientId, 'tapis/grant_type': grant, 'tapis/refresh_count': count,
  }); // prettier-ignore
  return {
    async issue(login) {
      const { token, ...times } = await sign(login, config.KILIM_ACCESS_TOKEN_SECONDS, accessClaims(login));
      return { access_token: token, ...times };
    },
    async issueRefresh(login) {
      const { token, ...times } = await sign(login, config.KILIM_REFRESH_TOKEN_SECONDS, {
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
  };
}
