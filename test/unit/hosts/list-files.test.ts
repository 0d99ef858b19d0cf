import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, expect, it } from 'vitest';

import type { RemoteCommand } from '../../../domain/remote-command.js';
import { shownPath } from '../../../domain/files/odd-names.js';
import { listFiles, listNames, statPath } from '../../../hosts/list-files.js';
import { encoded } from '../../../hosts/odd-bytes.js';
import type { Host } from '../../../hosts/host.js';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'kilim-list-'));
  chmodSync(dir, 0o755);
  mkdirSync(join(dir, 'open'));
  writeFileSync(join(dir, 'open/a'), '');
  mkdirSync(join(dir, 'closed'));
  writeFileSync(join(dir, 'closed/secret'), '');
  chmodSync(join(dir, 'closed'), 0);
});
afterEach(() => {
  chmodSync(join(dir, 'closed'), 0o700);
  rmSync(dir, { recursive: true, force: true });
});

/** This machine, as somebody who is not root. */
const host = {
  run: <T>({ line, parse, onOutput }: RemoteCommand<T>): Promise<T> => {
    const account = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {};
    const { stdout, stderr, status } = spawnSync('bash', ['-c', line], { ...account });
    return Promise.resolve().then(() => {
      onOutput?.(stdout);
      const text = onOutput ? '' : stdout.toString();
      return parse({ stdout: text, stderr: stderr.toString(), exitCode: status });
    });
  },
} as unknown as Host;

const all = { recurse: true, limit: 100, offset: 0 };
const names = async (path: string) =>
  (await listFiles(host, dir, path, { ...all, skipUnreadable: true })).map((file) => file.path);

it('lists what can be read, and leaves out what lies in a closed directory', async () => {
  expect(await names('')).toEqual(['closed', 'open', 'open/a']);
});

it('says so where the directory itself is closed', async () => {
  await expect(names('closed')).rejects.toMatchObject({ code: 'REMOTE_ACCESS_DENIED' });
});

it('takes a closed directory for a fault where all is wanted', async () => {
  await expect(listFiles(host, dir, '', all)).rejects.toMatchObject({ code: 'REMOTE_ACCESS_DENIED' });
});

it('names files and links at any depth, whatever they are called', async () => {
  const names = ['open/a', 'open/a b', 'open/deep/\n', 'open/deep/link'];
  mkdirSync(join(dir, 'open/deep/empty'), { recursive: true });
  for (const name of names.slice(1, 3)) writeFileSync(join(dir, name), '');
  symlinkSync('nowhere', join(dir, 'open/deep/link'));
  expect((await listNames(host, dir, 'open')).map((name) => `open/${name}`).sort()).toEqual(names);
});

it.each([
  ['a list', (cut: Host) => listFiles(cut, dir, 'open', all)],
  ['names', (cut: Host) => listNames(cut, dir, 'open')],
])('takes %s that was cut for a fault, not for all there is', async (_what, list) => {
  const cut = {
    run: <T>(command: RemoteCommand<T>) =>
      host.run({ ...command, onOutput: (piece) => command.onOutput?.(piece.subarray(0, -1)) }),
  } as unknown as Host;
  await expect(list(cut)).rejects.toThrow('more entries than can be listed');
});

it('sorts as ever, without regard to the case of A to Z, and pages through all of it', async () => {
  const odd = [
    'a_b',
    'ab',
    'AB',
    'a-b',
    'Z z',
    '_x',
    'z',
    'Zz',
    'n\nl',
    't\tb',
    'É',
    'é',
    'c\u0001',
    '[',
    '~',
    'a b',
  ];
  mkdirSync(join(dir, 'open/many'));
  for (const [i, name] of odd.entries()) {
    writeFileSync(join(dir, 'open/many', name), '');
    utimesSync(join(dir, 'open/many', name), i, i); // nothing but the name counts
  }
  const list = async (limit: number, offset: number) =>
    (await listFiles(host, dir, 'open/many', { ...all, limit, offset })).map(({ name }) => name);
  const byBytes = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));
  const small = (name: string): string => name.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
  const sorted = [...odd].sort((a, b) => byBytes(small(a), small(b)) || byBytes(a, b));
  expect(await list(100, 0)).toEqual(sorted);
  const paged: string[] = [];
  for (let offset = 0; offset < odd.length; offset += 5) paged.push(...(await list(5, offset)));
  expect(paged).toEqual(sorted);
  expect(await list(5, 100)).toEqual([]);
});

it('gives back names that are not UTF-8 as the bytes that they are', async () => {
  const name = Buffer.from([0x78, 0xff, 0x27, 0xc3, 0xa9, 0x80]);
  writeFileSync(Buffer.concat([Buffer.from(join(dir, 'open/')), name]), 'odd');
  const [found] = (await listFiles(host, dir, 'open', all)).filter(({ size }) => size === 3);
  expect(encoded(found?.name ?? '')).toBe("x%FF'%C3%A9%80");
  expect(shownPath(found?.name ?? '')).toBe("x%FF'é%80");
  expect((await statPath(host, dir, found?.path ?? '')).size).toBe(3);
});
