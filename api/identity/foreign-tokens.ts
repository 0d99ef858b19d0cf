import { createPublicKey } from 'node:crypto';

import { createRemoteJWKSet, decodeJwt, jwtVerify, type JWTPayload } from 'jose';

import { readIssuers, type Config, type TrustedIssuer } from '../../schemas/config.js';

/** RSA, RSA-PSS, elliptic curves; never a symmetric one, for which a public key would be the secret. */
const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'ES256', 'ES384', 'EdDSA'];

/**
 * Tokens of other issuers, as far as the operator named them with a key of theirs; null for all others.
 * The claims come back as if they were ours, so that one check follows.
 */
export function createForeignTokens(config: Config): (token: string) => Promise<JWTPayload | null> {
  const issuers = new Map(
    readIssuers(config.KILIM_TRUSTED_ISSUERS).map((one) => [one.issuer, { one, verify: verifierOf(one) }]),
  );
  return async (token) => {
    if (issuers.size === 0) return null;
    try {
      const issuer = issuers.get(decodeJwt(token).iss ?? ''); // only chooses among the configured keys
      if (!issuer) return null;
      const payload = await issuer.verify(token);
      const isPlatform = issuer.one.usernameClaim === 'tapis/username';
      if (isPlatform) return payload;
      return {
        ...payload,
        jti: payload.jti ?? `${issuer.one.issuer} ${String(payload.sub)} ${String(payload.iat)}`,
        'tapis/username': payload[issuer.one.usernameClaim],
        'tapis/tenant_id': config.KILIM_TENANT,
        'tapis/token_type': 'access',
        'tapis/account_type': 'user',
      };
    } catch {
      return null;
    }
  };
}

function verifierOf({
  issuer,
  jwksUrl,
  publicKey,
  audience,
}: TrustedIssuer): (token: string) => Promise<JWTPayload> {
  const options = {
    issuer,
    algorithms: ALGORITHMS,
    requiredClaims: ['exp'],
    ...(audience ? { audience } : {}),
  };
  if (jwksUrl) {
    const keys = createRemoteJWKSet(new URL(jwksUrl), { timeoutDuration: 3_000 });
    return async (token) => (await jwtVerify(token, keys, options)).payload;
  }
  const key = createPublicKey(publicKey ?? '');
  return async (token) => (await jwtVerify(token, key, options)).payload;
}
