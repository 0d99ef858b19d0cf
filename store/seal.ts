import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';

import { KilimError } from '../domain/errors.js';

/** Seals texts at rest with AES-256-GCM: `v1.<key id>.<iv>.<tag>.<data>`, base64url. */
export interface Seal {
  close: (text: string) => string;
  open: (sealed: string) => string;
  /** How everything starts that the first key seals. */
  prefix: string;
  /** The ids of all keys that can open sealed texts. */
  keyIds: string[];
}

const keyId = (key: Buffer): string => createHash('sha256').update(key).digest('hex').slice(0, 8);

/** The first key seals; all of them open, so that a retired key still reads what it wrote. */
export function createSeal(keys: readonly Buffer[]): Seal {
  const [first] = keys;
  if (!first || keys.some((key) => key.length !== 32))
    throw new KilimError('INTERNAL', 'A sealing key must have 32 bytes.');
  const byId = new Map(keys.map((key) => [keyId(key), key]));
  const prefix = `v1.${keyId(first)}.`;
  return {
    prefix,
    keyIds: [...byId.keys()],
    close(text) {
      const iv = randomBytes(12);
      const cipher = createCipheriv('aes-256-gcm', first, iv);
      const data = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
      return prefix + [iv, cipher.getAuthTag(), data].map((part) => part.toString('base64url')).join('.');
    },
    open(sealed) {
      const [version, kid = '', iv = '', tag = '', data = ''] = sealed.split('.');
      if (version !== 'v1') throw new KilimError('INTERNAL', 'A sealed value has an unknown form.');
      const key = byId.get(kid);
      if (!key)
        throw new KilimError('INTERNAL', `A sealed value needs the key ${kid}, which is not configured.`);
      try {
        // a shorter tag would be easier to forge
        const decipher = createDecipheriv('aes-256-gcm', key, Buffer.from(iv, 'base64url'), {
          authTagLength: 16,
        });
        decipher.setAuthTag(Buffer.from(tag, 'base64url'));
        return decipher.update(data, 'base64url', 'utf8') + decipher.final('utf8');
      } catch {
        throw new KilimError('INTERNAL', `A value sealed by the key ${kid} was damaged or tampered with.`);
      }
    },
  };
}
