import {
  createCipheriv,
  createDecipheriv,
  createHash,
  randomBytes,
  scrypt,
  timingSafeEqual,
} from 'node:crypto';
import {
  closeSync,
  createReadStream,
  createWriteStream,
  fstatSync,
  openSync,
  readSync,
  statSync,
} from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';

import { extract, pack } from 'tar-stream';

/*
 * A backup is one file: a line that says what it is, a tar of the database and the keys, and at its end a mark over all
 * of it. With a passphrase the tar is sealed (AES-256-GCM, the key by scrypt) and the mark is the seal's tag, else
 * the mark is a SHA-256.
 */

const ANY_VERSION = 'KILIM BACKUP ';
const MAGIC = `${ANY_VERSION}1 `;
const MAX_HEAD = 4096;
const DATABASE = 'kilim.db';
const KEYS = 'master.key';
/** One key and nonce of AES-GCM seal no more than 64 GiB. */
const MOST_SEALED_BYTES = 60 * 2 ** 30;
const COST = { N: 2 ** 17, r: 8, p: 1, maxmem: 256 * 2 ** 20 };

interface Head {
  created: string;
  /** In base64; absent where the backup is not sealed. `check` tells a wrong passphrase from a damaged file. */
  sealed?: { salt: string; iv: string; check: string };
}

interface Contents {
  database: string;
  /** One key a line; null where the keys are kept apart. */
  keys: string | null;
}

/** Seals or opens one chunk after the other; `end` gives what is left. */
interface Layer {
  update: (chunk: Buffer) => Buffer;
  end: () => Buffer[];
}

/** Writes a file that must not be there yet, for its owner only, and returns when the disk has it. */
export async function writeBackup(
  file: string,
  { database, keys }: Contents,
  passphrase: string | null,
): Promise<void> {
  const { size } = statSync(database);
  if (passphrase !== null && size > MOST_SEALED_BYTES)
    throw new Error(
      'The database is too large to be sealed (60 GiB): use --without-keys, and seal the file by other means.',
    );
  const { head, layer } = await sealing(passphrase);
  const tar = pack();
  const filling = fill(tar, { database, keys }, size);
  await Promise.all([
    filling,
    pipeline(
      tar,
      async function* (chunks: AsyncIterable<unknown>) {
        yield head;
        for await (const chunk of chunks) if (Buffer.isBuffer(chunk)) yield layer.update(chunk);
        yield* layer.end();
      },
      createWriteStream(file, { flags: 'wx', mode: 0o600, flush: true }),
    ),
  ]);
}

async function fill(tar: ReturnType<typeof pack>, { database, keys }: Contents, size: number): Promise<void> {
  if (keys !== null) tar.entry({ name: KEYS, mode: 0o600 }, keys);
  await pipeline(createReadStream(database), tar.entry({ name: DATABASE, size, mode: 0o600 }));
  tar.finalize();
}

async function sealing(passphrase: string | null): Promise<{ head: Buffer; layer: Layer }> {
  const created = new Date().toISOString();
  const headOf = (head: Head): Buffer => Buffer.from(`${MAGIC}${JSON.stringify(head)}\n`);
  if (passphrase === null) {
    const head = headOf({ created });
    const hash = createHash('sha256').update(head);
    return { head, layer: { update: (chunk) => (hash.update(chunk), chunk), end: () => [hash.digest()] } };
  }
  const [salt, iv] = [randomBytes(16), randomBytes(12)];
  const { key, check } = await derive(passphrase, salt);
  const head = headOf({
    created,
    sealed: { salt: salt.toString('base64'), iv: iv.toString('base64'), check: check.toString('base64') },
  });
  const cipher = createCipheriv('aes-256-gcm', key, iv).setAAD(head);
  return {
    head,
    layer: { update: (chunk) => cipher.update(chunk), end: () => [cipher.final(), cipher.getAuthTag()] },
  };
}

/** Half of what scrypt gives is the key, the other half only tells whether the passphrase is right. */
async function derive(passphrase: string, salt: Buffer): Promise<{ key: Buffer; check: Buffer }> {
  const slow = promisify<string, Buffer, number, typeof COST, Buffer>(scrypt);
  const both = await slow(passphrase.normalize('NFC'), salt, 64, COST);
  return { key: both.subarray(0, 32), check: createHash('sha256').update(both.subarray(32)).digest() };
}

/**
 * What a backup says of itself before it is opened.
 * @returns its head, and the lengths of the head's line and of the whole file in bytes
 * @throws Error in a sentence, where the file is not a backup, is damaged or was made by a newer Kilim
 */
export function headOfBackup(file: string): { head: Head; length: number; size: number } {
  const descriptor = openSync(file, 'r');
  try {
    const bytes = Buffer.alloc(MAX_HEAD);
    const text = bytes.subarray(0, readSync(descriptor, bytes, 0, MAX_HEAD, 0)).toString('latin1');
    const end = text.indexOf('\n');
    if (!text.startsWith(ANY_VERSION)) throw new Error(`${file} is not a backup of Kilim.`);
    if (!text.startsWith(MAGIC)) throw new Error(`${file} was made by a newer Kilim; use that one.`);
    if (end < 0) throw damaged(file);
    const head: unknown = JSON.parse(text.slice(MAGIC.length, end));
    if (!isHead(head)) throw damaged(file);
    return { head, length: end + 1, size: fstatSync(descriptor).size };
  } catch (error) {
    throw error instanceof SyntaxError ? damaged(file) : error;
  } finally {
    closeSync(descriptor);
  }
}

function isHead(head: unknown): head is Head {
  const { created, sealed } = (head ?? {}) as Partial<Record<keyof Head, unknown>>;
  if (typeof created !== 'string') return false;
  if (sealed === undefined) return true;
  const { salt, iv, check } = (sealed ?? {}) as Record<string, unknown>;
  return [salt, iv, check].every((text) => typeof text === 'string' && text !== '');
}

const damaged = (file: string): Error =>
  new Error(
    `${file} is damaged, or was cut off: its end does not fit what is before it. Nothing was restored.`,
  );

/**
 * Unpacks a backup into a folder and checks that all of it is as it was written.
 * @param passphrase null where the backup is not sealed
 * @throws Error in a sentence, for a wrong passphrase and for a file that was changed or cut off
 */
export async function readBackup(file: string, folder: string, passphrase: string | null): Promise<Contents> {
  const { head, length, size } = headOfBackup(file);
  const bytes = head.sealed ? 16 : 32;
  if (size < length + bytes) throw damaged(file);
  const layer = await opening(file, head, { length, mark: readAt(file, size - bytes, bytes) }, passphrase);
  const found: Contents = { database: '', keys: null };
  const tar = extract();
  tar.on('entry', ({ name }, stream, next) => {
    if (name === DATABASE) {
      found.database = join(folder, DATABASE);
      const target = createWriteStream(found.database, { flags: 'wx', mode: 0o600, flush: true });
      pipeline(stream, target).then(() => next(), next);
    } else {
      const parts: Buffer[] = [];
      stream
        .on('data', (part) => Buffer.isBuffer(part) && parts.push(part))
        .on('end', () => {
          if (name === KEYS) found.keys = Buffer.concat(parts).toString('utf8');
          next();
        });
    }
  });
  try {
    await pipeline(
      createReadStream(file, { start: length, end: size - bytes - 1 }),
      async function* (chunks: AsyncIterable<Buffer>) {
        for await (const chunk of chunks) yield layer.update(chunk);
        yield* layer.end();
      },
      tar,
    );
  } catch (error) {
    if (['ENOSPC', 'EDQUOT'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
    throw damaged(file);
  }
  if (found.database === '') throw damaged(file);
  return found;
}

/** The layer throws at its end where the mark does not fit. */
async function opening(
  file: string,
  { sealed }: Head,
  { length, mark }: { length: number; mark: Buffer },
  passphrase: string | null,
): Promise<Layer> {
  const head = readAt(file, 0, length);
  if (!sealed) {
    const hash = createHash('sha256').update(head);
    const end = (): Buffer[] => {
      if (!timingSafeEqual(hash.digest(), mark)) throw damaged(file);
      return [];
    };
    return { update: (chunk) => (hash.update(chunk), chunk), end };
  }
  const { key, check } = await derive(passphrase ?? '', Buffer.from(sealed.salt, 'base64'));
  if (!check.equals(Buffer.from(sealed.check, 'base64')))
    throw new Error(`The passphrase does not open ${file}. Nothing was restored.`);
  const decipher = createDecipheriv('aes-256-gcm', key, Buffer.from(sealed.iv, 'base64'), {
    authTagLength: 16,
  })
    .setAAD(head)
    .setAuthTag(mark);
  return { update: (chunk) => decipher.update(chunk), end: () => [decipher.final()] };
}

function readAt(file: string, from: number, count: number): Buffer {
  const descriptor = openSync(file, 'r');
  try {
    const bytes = Buffer.alloc(count);
    readSync(descriptor, bytes, 0, count, from);
    return bytes;
  } finally {
    closeSync(descriptor);
  }
}
