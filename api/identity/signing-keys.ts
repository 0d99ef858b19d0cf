import {
  calculateJwkThumbprint,
  decodeProtectedHeader,
  exportJWK,
  exportPKCS8,
  exportSPKI,
  generateKeyPair,
  importPKCS8,
  importSPKI,
  jwtVerify,
  type CryptoKey,
  type JWK,
  type JWTPayload,
} from 'jose';

import { KilimError } from '../../domain/errors.js';
import type { SettingStore } from '../../store/user-store.js';

const ALGORITHM = 'RS256';

/** A key as the store holds it, sealed. The private half of a retired key is not stored. */
interface KeptKey {
  public: string;
  private?: string;
  /** Until when a retired key verifies tokens; by then its last token has expired. */
  until?: string;
}
/** The first key signs. Older releases stored a single key instead of a list. */
type Kept = KeptKey | { keys: KeptKey[] };

interface Verifier {
  kid: string;
  key: CryptoKey;
  until: string | null;
}

/** The keys of a tenant as they were when they were read. */
export interface SigningKeys {
  kid: string;
  private: CryptoKey;
  /** The public half of the signing key as PEM (SubjectPublicKeyInfo). */
  pem: string;
  /** The public halves of all keys that verify tokens, in the form of a JSON Web Key Set. */
  jwks: JWK[];
  /** The claims of a token that one of these keys signed and that has not expired; null for any other token. */
  verify: (token: string) => Promise<JWTPayload | null>;
}

const nameOf = (tenant: string): string => `signing-key ${tenant}`;

/**
 * Returns a function that gives the tenant's keys; the first call ever creates them. Each call asks the store whether they
 * changed, so that every API process uses a new key and rejects a dropped one from the next request on.
 */
export function createSigningKeys(settings: SettingStore, tenant: string): () => Promise<SigningKeys> {
  const name = nameOf(tenant);
  let known: { stamp: string; keys: SigningKeys } | null = null;
  return async () => {
    const stamp = await settings.stamp(name);
    if (known !== null && known.stamp === stamp) return known.keys;
    // `init` keeps the first value: two programs that start at the same time use the same key
    const text =
      stamp === null
        ? await settings.init(name, JSON.stringify({ keys: [await freshKey()] } satisfies Kept))
        : await settings.get(name);
    const keys = await open(read(text));
    // if the keys changed between the two queries, the older stamp remains here and the next call reads them again
    known = stamp === null ? null : { stamp, keys };
    return keys;
  };
}

/**
 * Makes a new key that signs from now on. The former key goes on verifying for `lifetimeSeconds`, the longest life of its
 * tokens; with `isNow` it stops at once. Returns the id of the new key.
 */
export async function rotateSigningKey(
  settings: SettingStore,
  tenant: string,
  { lifetimeSeconds, isNow }: { lifetimeSeconds: number; isNow: boolean },
): Promise<string> {
  const fresh = await freshKey();
  const now = new Date().toISOString();
  const until = new Date(Date.now() + lifetimeSeconds * 1000).toISOString();
  await settings.change(nameOf(tenant), (text) => {
    const retired = (text === null || isNow ? [] : read(text)).map((key) => ({
      public: key.public,
      until: key.until ?? until,
    }));
    const kept: Kept = { keys: [fresh, ...retired.filter((key) => key.until > now)] };
    return JSON.stringify(kept);
  });
  return (await publicHalf(fresh.public)).kid;
}

const read = (text: string | null): KeptKey[] => {
  const kept = JSON.parse(text ?? '{"keys":[]}') as Kept;
  return 'keys' in kept ? kept.keys : [kept];
};

async function open(kept: KeptKey[]): Promise<SigningKeys> {
  const [first] = kept;
  if (!first?.private) throw new KilimError('INTERNAL', 'The key that signs tokens is not in the store.');
  const halves = await Promise.all(
    kept.map(async ({ public: pem, until = null }) => ({ ...(await publicHalf(pem)), until })),
  );
  return {
    kid: halves[0]?.kid ?? '',
    private: await importPKCS8(first.private, ALGORITHM),
    pem: first.public,
    jwks: halves.map(({ kid, jwk }) => ({ ...jwk, kid, alg: ALGORITHM, use: 'sig' })),
    verify: (token) => verified(token, halves),
  };
}

/** Accepts only RS256 and the given keys: the header of a token may select one of these keys, and nothing else. */
async function verified(token: string, verifiers: Verifier[]): Promise<JWTPayload | null> {
  const now = new Date().toISOString();
  try {
    const { kid } = decodeProtectedHeader(token);
    for (const one of verifiers) {
      if (one.until !== null && one.until < now) continue;
      if (kid !== undefined && kid !== one.kid) continue; // tokens of older releases have no `kid`
      const claims = await jwtVerify(token, one.key, { algorithms: [ALGORITHM] }).then(
        ({ payload }) => payload,
        () => null,
      );
      if (claims) return claims;
    }
  } catch {
    // the text is not a JWT
  }
  return null;
}

/** The id of a key is its thumbprint (RFC 7638), so that keys stored by older releases have an id as well. */
async function publicHalf(pem: string): Promise<{ kid: string; key: CryptoKey; jwk: JWK }> {
  const key = await importSPKI(pem, ALGORITHM, { extractable: true });
  const jwk = await exportJWK(key);
  return { kid: await calculateJwkThumbprint(jwk), key, jwk };
}

async function freshKey(): Promise<KeptKey> {
  const pair = await generateKeyPair(ALGORITHM, { modulusLength: 2048, extractable: true });
  return { private: await exportPKCS8(pair.privateKey), public: await exportSPKI(pair.publicKey) };
}
