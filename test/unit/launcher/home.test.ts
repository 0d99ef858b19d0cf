import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, expect, it, vi } from 'vitest';

import { startOf } from '../../../launcher/home-lock.js';
import { homeFolder, openHome } from '../../../launcher/home.js';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'kilim-home-'));
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(dir, { recursive: true, force: true });
});

const modeOf = (...path: string[]): string => (statSync(join(dir, ...path)).mode & 0o7777).toString(8);
const isRoot = process.getuid?.() === 0;

it('makes a key of 32 bytes once, for its owner only', async () => {
  const first = await openHome(dir, undefined);
  const key = readFileSync(join(dir, 'keys', 'master.key'), 'utf8');
  expect(Buffer.from(key, 'base64')).toHaveLength(32);
  expect([modeOf('keys'), modeOf('keys', 'master.key')]).toEqual(['700', '600']);
  first.lock.release();
  (await openHome(dir, undefined)).lock.release();
  expect(readFileSync(join(dir, 'keys', 'master.key'), 'utf8')).toBe(key);
});

it('makes no key beside a database, and says which one is missing', async () => {
  (await openHome(dir, undefined)).lock.release();
  rmSync(join(dir, 'keys', 'master.key'));
  writeFileSync(join(dir, 'kilim.db'), 'rows');
  await expect(openHome(dir, undefined)).rejects.toThrow(
    `The master key ${join(dir, 'keys', 'master.key')} is missing, and the database ${join(dir, 'kilim.db')} holds`,
  );
  expect(existsSync(join(dir, 'keys', 'master.key'))).toBe(false);
  expect(existsSync(join(dir, 'up.lock'))).toBe(false);

  const elsewhere = join(dir, 'elsewhere.db');
  renameSync(join(dir, 'kilim.db'), elsewhere);
  vi.stubEnv('DATABASE_URL', `sqlite:${elsewhere}`);
  await expect(openHome(dir, undefined)).rejects.toThrow(`the database ${elsewhere} holds`);
  vi.stubEnv('KILIM_MASTER_KEY_FILE', join(dir, 'given.key')); // its reader will say whether it is there
  (await openHome(dir, undefined)).lock.release();
  expect(existsSync(join(dir, 'keys', 'master.key'))).toBe(false);
});

it('makes the key that its programs will use, whatever the environment says that they do not get', async () => {
  writeFileSync(join(dir, 'of-another-home.db'), 'rows');
  vi.stubEnv('KILIM_MASTER_KEY_FILE', join(dir, 'given.key'));
  vi.stubEnv('DATABASE_URL', `sqlite:${join(dir, 'of-another-home.db')}`);
  (await openHome(dir, undefined, {})).lock.release();
  expect(existsSync(join(dir, 'keys', 'master.key'))).toBe(true);
});

it('is never the current folder because a variable is empty', () => {
  vi.stubEnv('KILIM_HOME', '');
  vi.stubEnv('HOME', dir);
  expect(homeFolder()).toBe(join(dir, '.kilim'));
  expect(homeFolder('given')).toBe(join(process.cwd(), 'given'));
});

it('says in a sentence why it cannot be used', async () => {
  writeFileSync(join(dir, 'file'), '');
  const below = openHome(join(dir, 'file', 'home'), undefined);
  await expect(below).rejects.toThrow(
    `The home ${join(dir, 'file', 'home')} cannot be used: a part of its path is not a folder`,
  );
  await expect(openHome(join(dir, 'file'), undefined)).rejects.toThrow('cannot be used: it is not a folder');
});

it('starts with remembered ports that were cut off', async () => {
  writeFileSync(join(dir, 'ports.json'), '{"api": 80');
  (await openHome(dir, undefined)).lock.release();
});

it('is open to others only as far as jobs of another account need it', async () => {
  writeFileSync(join(dir, 'kilim.db'), '', { mode: 0o644 });
  (await openHome(dir, undefined)).lock.release();
  expect(modeOf()).toBe(isRoot ? '711' : '700');
  expect(modeOf('data')).toBe(isRoot ? '1777' : '700');
  expect(modeOf('kilim.db')).toBe('600');
});

it('remembers its ports, and takes others where one is in use', async () => {
  const first = await openHome(dir, undefined);
  first.lock.release();
  const second = await openHome(dir, undefined);
  second.lock.release();
  expect([second.temporalPort, second.uiPort]).toEqual([first.temporalPort, first.uiPort]);
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(first.temporalPort, '127.0.0.1', resolve));
  const third = await openHome(dir, undefined);
  third.lock.release();
  expect(third.temporalPort).not.toBe(first.temporalPort);
  await expect(openHome(dir, first.temporalPort)).rejects.toThrow(
    `The port ${first.temporalPort} cannot be had`,
  );
  server.close();
  expect(existsSync(join(dir, 'up.lock'))).toBe(false);
});

it('refuses a second user while the first lives', async () => {
  const home = await openHome(dir, undefined);
  await expect(openHome(dir, undefined)).rejects.toThrow(
    `Another kilim up (process ${process.pid}) uses this home`,
  );
  home.lock.release();
  (await openHome(dir, undefined)).lock.release();
});

it('follows a holder that died, though its number was given away', async () => {
  writeFileSync(
    join(dir, 'up.lock'),
    JSON.stringify({ pid: process.pid, started: 'another time', children: [] }),
  );
  (await openHome(dir, undefined)).lock.release();
  writeFileSync(join(dir, 'up.lock'), '{"pid":');
  (await openHome(dir, undefined)).lock.release();
});

it("waits for the dead holder's children", async () => {
  const child = spawn('sleep', ['0.7'], { detached: true });
  const pid = child.pid ?? 0;
  writeFileSync(
    join(dir, 'up.lock'),
    JSON.stringify({ pid: 1, started: 'gone', children: [{ pid, started: startOf(pid) }] }),
  );
  const home = await openHome(dir, undefined);
  home.lock.release();
  expect(startOf(pid)).toBe('');
});
