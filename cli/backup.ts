import {
  chmodSync,
  existsSync,
  fsyncSync,
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';

import { lockHome } from '../launcher/home-lock.js';
import { decodeKeys, keysFrom, masterKeys, type Config } from '../schemas/config.js';
import { openStore } from '../store/open-store.js';
import { copyDatabase, sqliteFile } from '../store/sqlite-file.js';
import { headOfBackup, readBackup, writeBackup } from './backup-file.js';
import { readPassphrase } from './passphrase.js';
import { aScratchFolder } from './scratch-folder.js';

const NOT_HERE =
  'The store is in PostgreSQL, which has its own tools: pg_dump and pg_restore, then "kilim restored" (README, "Backups").';
/** The root of a new file system has the first; the second is held while the restore is at work. */
const NO_CONTENT = ['lost+found', 'up.lock'];

/**
 * `backup FILE [--without-keys] [--force]`: database and keys in one file, while everything runs. The database's copy
 * is checked first, so that a damaged one does not take the place of a good backup.
 * @returns what was done, in a sentence
 */
export async function backup(config: Config, words: string[]): Promise<string> {
  const { values, positionals } = parseArgs({
    args: words,
    options: { 'without-keys': { type: 'boolean' }, force: { type: 'boolean' } },
    allowPositionals: true,
  });
  const file = resolve(positionals[0] ?? '');
  const database = sqliteFile(config.DATABASE_URL);
  if (database === null) throw new Error(NOT_HERE);
  if (!existsSync(database))
    throw new Error(`The database ${database} does not exist: there is nothing to back up.`);
  if (existsSync(file) && !values.force) throw new Error(`${file} exists; --force writes over it.`);
  const keys = masterKeys(config);
  const passphrase = values['without-keys'] ? null : await readPassphrase('new');
  const scratch = aScratchFolder(join(dirname(file), '.kilim-backup-'));
  try {
    const copy = join(scratch.folder, 'kilim.db');
    await copyDatabase(database, copy);
    await (await openStore({ url: `sqlite:${copy}`, keys, keysFrom: keysFrom(config), mayMigrate: false, isChecked: true })).close(); // prettier-ignore
    const lines = passphrase === null ? null : keys.map((key) => `${key.toString('base64')}\n`).join('');
    await writeBackup(join(scratch.folder, 'backup'), { database: copy, keys: lines }, passphrase);
    renameSync(join(scratch.folder, 'backup'), file);
    sync(dirname(file));
  } finally {
    scratch.remove();
  }
  return passphrase === null
    ? `${file} holds the database without the keys. Keep ${keysFrom(config)} apart: nothing sealed can be read without it.`
    : `${file} holds the database and the keys, sealed by the passphrase.`;
}

/**
 * `restore FILE [--keys FILE]`: into an empty home. All of the backup is checked before anything is put into its place. The
 * key is put there last, so that a home whose restore was interrupted refuses to start. Each file is made in its own folder,
 * since the database and the key may be on other disks than the home, and a file is only renamed on its own disk.
 * @returns what was done, in a sentence
 */
export async function restore(config: Config, words: string[]): Promise<string> {
  const { values, positionals } = parseArgs({
    args: words,
    options: { keys: { type: 'string' } },
    allowPositionals: true,
  });
  const file = resolve(positionals[0] ?? '');
  const database = sqliteFile(config.DATABASE_URL);
  if (database === null) throw new Error(NOT_HERE);
  const { head } = headOfBackup(file);
  mkdirSync(config.KILIM_HOME, { recursive: true, mode: 0o700 });
  // no `kilim up` begins in this home meanwhile: its database would be replaced below it
  const lock = await lockHome(config.KILIM_HOME);
  try {
    await putInPlace(config, file, database, values.keys);
  } finally {
    lock.release();
  }
  return (
    `The backup of ${head.created} is restored into ${config.KILIM_HOME}. Never run it beside the installation that it was ` +
    'made of. Jobs go on from their rows when it runs; see "kilim orphans list" for jobs that were submitted after the backup.'
  );
}

/** @param keys the file with the keys of a backup that was made without them */
async function putInPlace(
  config: Config,
  file: string,
  database: string,
  keys: string | undefined,
): Promise<void> {
  const keyFile = config.KILIM_MASTER_KEY_FILE;
  // a key that stands outside of the home already, where the programs look for it
  const isKeyInPlace = keys !== undefined && resolve(keys) === resolve(keyFile);
  refuseContent(config.KILIM_HOME, [database, `${database}-wal`, ...(isKeyInPlace ? [] : [keyFile])]);
  const passphrase = headOfBackup(file).head.sealed ? await readPassphrase('known') : null;
  mkdirSync(dirname(database), { recursive: true, mode: 0o700 });
  const scratch = aScratchFolder(join(dirname(database), '.restore-'));
  const newKey = isKeyInPlace ? null : `${keyFile}.restore-${process.pid}`;
  try {
    const found = await readBackup(file, scratch.folder, passphrase);
    const lines = found.keys ?? givenKeys(config, keys);
    const from = found.keys === null ? (keys ?? 'KILIM_MASTER_KEY') : file;
    await complete(found.database, lines, from);
    if (newKey !== null) {
      mkdirSync(dirname(keyFile), { recursive: true, mode: 0o700 });
      writeFileSync(newKey, lines, { mode: 0o600, flush: true });
    }
    chmodSync(found.database, 0o600);
    sync(found.database);
    renameSync(found.database, database);
    if (newKey !== null) renameSync(newKey, keyFile);
    for (const folder of [dirname(database), dirname(keyFile)]) sync(folder);
  } finally {
    scratch.remove();
    if (newKey !== null) rmSync(newKey, { force: true });
  }
}

/** @param files what the restore will write, and what SQLite would take for a part of the database */
function refuseContent(home: string, files: string[]): void {
  const inHome = existsSync(home) ? readdirSync(home).filter((name) => !NO_CONTENT.includes(name)) : [];
  if (inHome.length > 0)
    throw new Error(
      `A backup is restored into an empty home, and ${home} is not empty: ${inHome.slice(0, 8).join(', ')}. ` +
        'Move that away, or name another folder with --home.',
    );
  const elsewhere = files.filter((path) => existsSync(path));
  if (elsewhere.length > 0)
    throw new Error(
      `A restore replaces no file, and these are where DATABASE_URL or KILIM_MASTER_KEY_FILE points: ` +
        `${elsewhere.join(', ')}. Move them away.`,
    );
}

/**
 * Checks an unpacked database and its keys, brings it to the schema of this version and marks it as restored.
 * @param from where the keys were read, for the sentence that refuses wrong ones
 */
async function complete(database: string, lines: string, from: string): Promise<void> {
  const store = await openStore({
    url: `sqlite:${database}`,
    keys: decodeKeys(lines.split('\n'), from),
    keysFrom: from,
    mayMigrate: true,
    isChecked: true,
  });
  await store.orphans.markRestored();
  await store.close();
  if (existsSync(`${database}-wal`))
    throw new Error(`The database ${database} could not be completed: is there room on its disk?`);
}

/** The keys for a backup that was made without them, one a line. */
function givenKeys({ KILIM_MASTER_KEY: inEnvironment }: Config, file: string | undefined): string {
  if (file !== undefined) return readFileSync(file, 'utf8');
  if (inEnvironment) return `${inEnvironment.replaceAll(',', '\n')}\n`;
  throw new Error('This backup was made without the keys: name the file that holds them with --keys FILE.');
}

/** Waits until the disk has a file or folder: a backup that is only in memory is lost with the machine. */
function sync(path: string): void {
  const descriptor = openSync(path, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
