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

/** As it is kept, sealed. The private half of a retired key is not kept. */
interface KeptKey {
  public: string;
  private?: string;
  /** A retired key verifies until then: its last token has expired. */
  until?: string;
}
/** The first key signs. Installations of before hold one key alone, and not in a list. */
type Kept = KeptKey | { keys: KeptKey[] };

interface Verifier {
  kid: string;
  key: CryptoKey;
  until: string | null;
}

/** The keys as they stand at one moment. */
export interface SigningKeys {
  kid: string;
  private: CryptoKey;
  /** PEM, SubjectPublicKeyInfo, of the key that signs. */
  pem: string;
  /** The public halves of all that verify, as a JSON Web Key Set holds them. */
  jwks: JWK[];
  /** The claims of a token that one of these keys signed and that has not expired, else null. */
  verify: (token: string) => Promise<JWTPayload | null>;
}

const nameOf = (tenant: string): string => `signing-key ${tenant}`;

/**
 * The tenant's keys, made once. The store is asked at every call whether they changed, so that a new key counts in
 * every API at once and a dropped one nowhere any more.
 */
export function createSigningKeys(settings: SettingStore, tenant: string): () => Promise<SigningKeys> {
  const name = nameOf(tenant);
  let known: { stamp: string; keys: SigningKeys } | null = null;
  return async () => {
    const stamp = await settings.stamp(name);
    if (known !== null && known.stamp === stamp) return known.keys;
    // two programs that start at once agree on one key
    const text =
      stamp === null
        ? await settings.init(name, JSON.stringify({ keys: [await freshKey()] } satisfies Kept))
        : await settings.get(name);
    const keys = await open(read(text));
    // a change between the two questions is found at the next call: the stamp is then the older one
    known = stamp === null ? null : { stamp, keys };
    return keys;
  };
}

/**
 * A new key signs from now on. The one of before verifies for as long as its tokens may live, or, with `isNow`, not any
 * more. Returns the new key's id.
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

/** Only our keys and RS256: what a token says of itself chooses among our keys at most. */
async function verified(token: string, verifiers: Verifier[]): Promise<JWTPayload | null> {
  const now = new Date().toISOString();
  try {
    const { kid } = decodeProtectedHeader(token);
    for (const one of verifiers) {
      if (one.until !== null && one.until < now) continue;
      if (kid !== undefined && kid !== one.kid) continue; // tokens of before name no key
      const claims = await jwtVerify(token, one.key, { algorithms: [ALGORITHM] }).then(
        ({ payload }) => payload,
        () => null,
      );
      if (claims) return claims;
    }
  } catch {
    // it is no token at all
  }
  return null;
}

/** The id of a key is its thumbprint (RFC 7638): a key that was kept before ids came has one as well. */
async function publicHalf(pem: string): Promise<{ kid: string; key: CryptoKey; jwk: JWK }> {
  const key = await importSPKI(pem, ALGORITHM, { extractable: true });
  const jwk = await exportJWK(key);
  return { kid: await calculateJwkThumbprint(jwk), key, jwk };
}

async function freshKey(): Promise<KeptKey> {
  const pair = await generateKeyPair(ALGORITHM, { modulusLength: 2048, extractable: true });
  return { private: await exportPKCS8(pair.privateKey), public: await exportSPKI(pair.publicKey) };
}
