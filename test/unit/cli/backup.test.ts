import { randomBytes } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, expect, it, vi } from 'vitest';

import { backup, restore } from '../../../cli/backup.js';
import { aScratchFolder } from '../../../cli/scratch-folder.js';
import { lockHome } from '../../../launcher/home-lock.js';
import { masterKeys, parseConfig, type Config } from '../../../schemas/config.js';
import { openStore } from '../../../store/open-store.js';

let dir: string;
let keyFile: string;
let file: string;
/** An installation whose key is kept outside of its home, and a backup of it without the key. */
beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'kilim-restore-'));
  keyFile = join(dir, 'the.key');
  file = join(dir, 'backup');
  writeFileSync(keyFile, `${randomBytes(32).toString('base64')}\n`, { mode: 0o600 });
  mkdirSync(join(dir, 'first'));
  const first = configOf('first', { KILIM_MASTER_KEY_FILE: keyFile });
  const store = await openStore({ url: first.DATABASE_URL, keys: masterKeys(first), mayMigrate: true });
  await store.settings.init('installation', 'abcd');
  await store.close();
  await backup(first, [file, '--without-keys']);
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const configOf = (home: string, env: Record<string, string> = {}): Config =>
  parseConfig({ KILIM_HOME: join(dir, home), ...env });

/** The installation's id, which is sealed: only the right key opens it. */
async function idOf(config: Config): Promise<string> {
  const store = await openStore({ url: config.DATABASE_URL, keys: masterKeys(config), mayMigrate: false });
  try {
    return await store.settings.init('installation', 'made anew');
  } finally {
    await store.close();
  }
}

it('restores a backup without keys by the key that is given, and leaves nothing else behind', async () => {
  const second = configOf('second');
  await restore(second, [file, '--keys', keyFile]);
  expect(await idOf(second)).toBe('abcd');
  expect(readdirSync(join(dir, 'second')).filter((name) => !/-(wal|shm)$/.test(name))).toEqual(['keys', 'kilim.db']);
  expect(readdirSync(join(dir, 'second/keys'))).toEqual(['master.key']);
  expect(statSync(join(dir, 'second/keys/master.key')).mode & 0o777).toBe(0o600);
}); // prettier-ignore

it('uses a key that already stands where the programs look for it, outside of the home', async () => {
  const second = configOf('second', { KILIM_MASTER_KEY_FILE: keyFile });
  const before = readFileSync(keyFile, 'utf8');
  await restore(second, [file, '--keys', keyFile]);
  expect(await idOf(second)).toBe('abcd');
  expect(readFileSync(keyFile, 'utf8')).toBe(before);
});

it('puts database and key into folders of their own, which it makes', async () => {
  const second = configOf('second', {
    DATABASE_URL: `sqlite:${join(dir, 'not/there/kilim.db')}`,
    KILIM_MASTER_KEY_FILE: join(dir, 'nor/there/master.key'),
  });
  await restore(second, [file, '--keys', keyFile]);
  expect(await idOf(second)).toBe('abcd');
});

it.each(['kilim.db', 'kilim.db-wal', 'master.key'])('replaces no %s outside of the home', async (name) => {
  const second = configOf('second', {
    DATABASE_URL: `sqlite:${join(dir, 'elsewhere/kilim.db')}`,
    KILIM_MASTER_KEY_FILE: join(dir, 'elsewhere/master.key'),
  });
  mkdirSync(join(dir, 'elsewhere'));
  writeFileSync(join(dir, 'elsewhere', name), 'of before');
  await expect(restore(second, [file, '--keys', keyFile])).rejects.toThrow(
    `A restore replaces no file, and these are where DATABASE_URL or KILIM_MASTER_KEY_FILE points: ${join(dir, 'elsewhere', name)}`,
  );
  expect(readdirSync(join(dir, 'elsewhere'))).toEqual([name]);
  expect(readdirSync(join(dir, 'second'))).toEqual([]);
});

it('puts nothing in place by a key that does not open the database', async () => {
  const wrong = join(dir, 'wrong.key');
  writeFileSync(wrong, `${randomBytes(32).toString('base64')}\n`);
  const second = configOf('second');
  await expect(restore(second, [file, '--keys', wrong])).rejects.toThrow(`which is not in ${wrong}`);
  expect(readdirSync(join(dir, 'second'))).toEqual([]);
});

it('is refused while a program starts or restores in the same home', async () => {
  mkdirSync(join(dir, 'second'));
  const lock = await lockHome(join(dir, 'second'));
  await expect(restore(configOf('second'), [file, '--keys', keyFile])).rejects.toThrow('uses this home');
  lock.release();
  expect(readdirSync(join(dir, 'second'))).toEqual([]);
  await restore(configOf('second'), [file, '--keys', keyFile]);
  expect(existsSync(join(dir, 'second/up.lock'))).toBe(false);
});

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
it.each(SIGNALS)('leaves no copy of the database behind where %s ends it', (signal) => {
  const kill = vi.spyOn(process, 'kill').mockReturnValue(true);
  try {
    const before = SIGNALS.map((name) => process.listenerCount(name));
    const { folder, remove } = aScratchFolder(join(dir, '.kilim-backup-'));
    writeFileSync(join(folder, 'kilim.db'), 'a copy');
    process.emit(signal, signal);
    expect(existsSync(folder)).toBe(false);
    expect(kill).toHaveBeenCalledWith(process.pid, signal);
    remove();
    expect(SIGNALS.map((name) => process.listenerCount(name))).toEqual(before);
  } finally {
    kill.mockRestore();
  }
});
