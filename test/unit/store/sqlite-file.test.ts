import { randomBytes } from 'node:crypto';
import {
  closeSync,
  fstatSync,
  mkdtempSync,
  openSync,
  rmSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeEach, expect, it } from 'vitest';

import { openStore } from '../../../store/open-store.js';
import { copyDatabase } from '../../../store/sqlite-file.js';
import { aPlanned } from './a-store.js';

/* An SQLite file that another start cannot open either: the refusal names the file and says what to do. */

const PAGE = 4096;
const keys = [randomBytes(32)];
const folder = mkdtempSync(join(tmpdir(), 'kilim-file-'));
afterAll(() => rmSync(folder, { recursive: true }));
const file = join(folder, 'kilim.db');
beforeEach(() => rmSync(file, { force: true }));

const refused = (sentence: string) => ({
  code: 'CANNOT_START',
  message: expect.stringMatching(sentence) as string,
});
const open = () => openStore({ url: `sqlite:${file}`, keys, mayMigrate: true, isChecked: true });
/** A store whose rows fill some hundred pages. */
async function fill(): Promise<void> {
  const store = await open();
  for (let i = 0; i < 30; i++) await store.jobs.add(aPlanned({ description: 'x'.repeat(20_000) }), '{}');
  await store.close();
}

it('is refused where its folder does not exist', async () => {
  const nowhere = openStore({ url: 'sqlite:/nowhere/at/all.db', keys, mayMigrate: true });
  await expect(nowhere).rejects.toMatchObject(
    refused('The folder of the database /nowhere/at/all.db does not exist'),
  );
});

it('is refused where it is no database', async () => {
  writeFileSync(file, 'this is longer than the head of a database would be '.repeat(20));
  await expect(open()).rejects.toMatchObject(
    refused(`${file} is not an SQLite database.*kilim restore FILE`),
  );
});

it('is refused where pages were overwritten, as in a copy of a running home', async () => {
  await fill();
  await (await open()).close();
  const descriptor = openSync(file, 'r+');
  // every page behind the schema, so that pages in use are surely among them
  for (let at = 60 * PAGE; at < fstatSync(descriptor).size; at += PAGE)
    writeSync(descriptor, Buffer.alloc(512, 7), 0, 512, at);
  closeSync(descriptor);
  await expect(open()).rejects.toMatchObject(refused(`The database ${file} is damaged.*kilim restore FILE`));
});

it('is refused where it was cut off', async () => {
  await fill();
  truncateSync(file, 60 * PAGE);
  await expect(open()).rejects.toMatchObject(refused(`The database ${file} is damaged`));
});

it('is named also where a backup of it is made', async () => {
  const nowhere = copyDatabase('/nowhere/at/all.db', join(folder, 'copy.db'));
  await expect(nowhere).rejects.toMatchObject(
    refused('The folder of the database /nowhere/at/all.db does not exist'),
  );
});

it('is copied whole while it is in use, with what its -wal file holds', async () => {
  const store = await open();
  const { uuid } = await store.jobs.add(aPlanned(), '{}');
  const copy = join(folder, 'copy.db');
  await copyDatabase(file, copy);
  await store.close();
  const copied = await openStore({ url: `sqlite:${copy}`, keys, mayMigrate: false, isChecked: true });
  expect((await copied.jobs.find(uuid))?.uuid).toBe(uuid);
  await copied.close();
});
