import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, expect, it } from 'vitest';

import type { RemoteCommand } from '../../../domain/remote-command.js';
import { listFiles, listNames } from '../../../hosts/list-files.js';
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
  run: <T>({ line, parse }: RemoteCommand<T>): Promise<T> => {
    const account = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {};
    const { stdout, stderr, status } = spawnSync('bash', ['-c', line], { encoding: 'utf8', ...account });
    return Promise.resolve().then(() => parse({ stdout, stderr, exitCode: status }));
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
      host.run({
        ...command,
        parse: (reply) => command.parse({ ...reply, stdout: reply.stdout.slice(0, -1) }),
      }),
  } as unknown as Host;
  await expect(list(cut)).rejects.toThrow('more entries than can be listed');
});
