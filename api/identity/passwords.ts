import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';

const COST = { N: 16384, r: 8, p: 1 };

const derive = (password: string, salt: Buffer): Promise<Buffer> =>
  new Promise((resolve, reject) => {
    scrypt(password, salt, 32, COST, (error, key) => (error ? reject(error) : resolve(key)));
  });

/** `scrypt.<salt>.<key>`, base64url. */
export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(16);
  return ['scrypt', salt.toString('base64url'), (await derive(password, salt)).toString('base64url')].join(
    '.',
  );
}

/** Takes the same time for a user that is not there: pass null. */
export async function isPassword(password: string, hash: string | null): Promise<boolean> {
  const [, salt = '', key = ''] = (hash ?? 'scrypt.AAAAAAAAAAAAAAAAAAAAAA.').split('.');
  const derived = await derive(password, Buffer.from(salt, 'base64url'));
  const known = Buffer.from(key, 'base64url');
  return hash !== null && known.length === derived.length && timingSafeEqual(known, derived);
}

const SHORTEST = 8;

/** What a password must be that others than this machine's people may try to guess; null where it is. */
export const whyWeak = (password: string, username: string): string | null =>
  password === username || password.length < SHORTEST
    ? `it must have at least ${SHORTEST} characters and not be the user's name`
    : null;
