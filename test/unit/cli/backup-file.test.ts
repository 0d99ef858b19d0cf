import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { readBackup, writeBackup } from '../../../cli/backup-file.js';

const dir = mkdtempSync(join(tmpdir(), 'kilim-backup-'));
afterAll(() => rmSync(dir, { recursive: true }));
const at = (name: string): string => join(dir, name);
const database = at('source.db');
const content = randomBytes(3_000_000);
writeFileSync(database, content);
const keys = `${randomBytes(32).toString('base64')}\n`;
const PASSPHRASE = 'correct horse battery';

describe.each([
  ['sealed', PASSPHRASE, keys],
  ['not sealed', null, null],
] as const)('a backup that is %s', (_name, passphrase, held) => {
  const file = at('backup');
  let whole: Buffer;
  beforeAll(async () => {
    await writeBackup(at(`made-${held === null}`), { database, keys: held }, passphrase); // slow, by design
    whole = readFileSync(at(`made-${held === null}`));
  }, 60_000);
  beforeEach(() => {
    rmSync(at('kilim.db'), { force: true });
    writeFileSync(file, whole, { mode: 0o600 });
  });
  const read = () => readBackup(file, dir, passphrase);

  it('comes back as it was, and is for its owner only', async () => {
    expect(statSync(at(`made-${held === null}`)).mode & 0o777).toBe(0o600);
    const found = await read();
    expect(found.keys).toBe(held);
    expect(readFileSync(found.database).equals(content)).toBe(true);
  });

  it('is refused wherever a byte was changed', async () => {
    const head = whole.indexOf('\n') + 1;
    for (const place of [head - 20, Math.floor(whole.length / 2), whole.length - 1]) {
      const changed = Buffer.from(whole);
      changed[place] = (changed[place] ?? 0) ^ 1;
      writeFileSync(file, changed);
      rmSync(at('kilim.db'), { force: true });
      await expect(read(), `byte ${place}`).rejects.toThrow(/damaged|cut off|passphrase/);
    }
  }, 60_000);

  it.each([0.999, 0.5, 0.0001])('is refused where only the first %d of it is there', async (part) => {
    truncateSync(file, Math.floor(statSync(file).size * part));
    await expect(read()).rejects.toThrow(/damaged, or was cut off/);
  });

  it('never writes over a file', async () => {
    await expect(writeBackup(file, { database, keys: held }, passphrase)).rejects.toThrow('EEXIST');
  });
});

it('shows nothing of what it seals, and tells a wrong passphrase from a damaged file', async () => {
  await writeBackup(at('sealed'), { database, keys }, PASSPHRASE);
  const bytes = readFileSync(at('sealed'));
  for (const secret of [Buffer.from(keys.trim()), content.subarray(0, 32)])
    expect(bytes.includes(secret)).toBe(false);
  await expect(readBackup(at('sealed'), dir, 'wrong horse battery')).rejects.toThrow(
    'The passphrase does not open',
  );
});

it.each([
  ['some other file\n', 'is not a backup of Kilim'],
  ['', 'is not a backup of Kilim'],
  ['KILIM BACKUP 2 {}\n', 'was made by a newer Kilim'],
  ['KILIM BACKUP 1 {"created', 'damaged, or was cut off'],
  ['KILIM BACKUP 1 {nonsense}\n', 'damaged, or was cut off'],
  ['KILIM BACKUP 1 null\n', 'damaged, or was cut off'],
  [
    `KILIM BACKUP 1 {"created":"2026","sealed":{"salt":"AAAA"}}\n${'x'.repeat(40)}`,
    'damaged, or was cut off',
  ],
])('says of %j what it is', async (text, sentence) => {
  writeFileSync(at('other'), text);
  await expect(readBackup(at('other'), dir, null)).rejects.toThrow(sentence);
});
