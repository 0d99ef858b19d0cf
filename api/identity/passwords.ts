import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';

import { createFairLine } from '../fair-line.js';

const COST = { N: 16384, r: 8, p: 1 };

/** A hash takes 50 ms of one of Node's four pool threads. Two of these stay free, for files and DNS look-ups. */
const hashing = createFairLine(2);
/** At most so many passwords for unknown names wait per address; further ones are rejected without being hashed. */
const UNKNOWN_WAITING = 16;

const derive = (password: string, salt: Buffer): Promise<Buffer> =>
  new Promise((resolve, reject) => {
    scrypt(password, salt, 32, COST, (error, key) => (error ? reject(error) : resolve(key)));
  });

/** `scrypt.<salt>.<key>`, base64url. */
export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(16);
  const key = await hashing.run('', true, () => derive(password, salt));
  return ['scrypt', salt.toString('base64url'), key.toString('base64url')].join('.');
}

/**
 * Compares a password with a hash; pass null as the hash of an unknown user, which takes the same time. Passwords from one
 * address (`from`) do not delay those from another one, and guesses at unknown names do not delay log-ins of existing users
 * from the same address.
 */
export async function isPassword(password: string, hash: string | null, from: string): Promise<boolean> {
  if (hash === null && hashing.waiting(from) >= UNKNOWN_WAITING) return false;
  const [, salt = '', key = ''] = (hash ?? 'scrypt.AAAAAAAAAAAAAAAAAAAAAA.').split('.');
  const derived = await hashing.run(from, hash !== null, () =>
    derive(password, Buffer.from(salt, 'base64url')),
  );
  const known = Buffer.from(key, 'base64url');
  return hash !== null && known.length === derived.length && timingSafeEqual(known, derived);
}

const SHORTEST = 8;

/** What a password must be that others than this machine's people may try to guess; null where it is. */
export const whyWeak = (password: string, username: string): string | null =>
  password === username || password.length < SHORTEST
    ? `it must have at least ${SHORTEST} characters and not be the user's name`
    : null;
