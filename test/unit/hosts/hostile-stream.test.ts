import { execFileSync } from 'node:child_process';
import { existsSync, lstatSync, mkdirSync, readlinkSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { Readable, Writable } from 'node:stream';
import { buffer } from 'node:stream/consumers';

import tar, { type Header } from 'tar-stream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import type { Host } from '../../../hosts/host.js';
import { base, closePlace, copy, openPlace, secrets } from './a-place.js';

beforeEach(openPlace);
afterEach(closePlace);

type Entry = Partial<Header> & { name: string };

/** A host that sends what it likes. */
const aHostile = (entries: Entry[], describes = 'dir'): Host => ({
  name: 'hostile',
  identity: () => Promise.resolve('hostile'),
  run: ({ parse }) => Promise.resolve().then(() => parse({ stdout: `${describes}\n`, stderr: '', exitCode: 0 })),
  stream: async () => {
    const pack = tar.pack();
    for (const { ...entry } of entries)
      if (entry.type === undefined) pack.entry(entry, 'evil');
      else pack.entry(entry);
    pack.finalize();
    const stdin = new Writable({ write: (_chunk, _encoding, done) => done() });
    return { stdin, stdout: Readable.from([await buffer(pack)]), done: Promise.resolve({ exitCode: 0, stderr: '' }) };
  },
}); // prettier-ignore

describe('a stream of a hostile host', () => {
  const link = (name: string, linkname: string): Entry => ({ name, type: 'symlink', linkname });
  const STREAMS: [string, () => Entry[]][] = [
    ['a link and then a file through it', () => [link('l', '../private'), { name: 'l/secret' }, { name: 'l/new' }]],
    ['a link to an absolute path and then a file through it', () => [link('l', join(base, 'outside')), { name: 'l/secret' }]],
    ['a link to the directory above, and a link through that', () => [link('a', '..'), link('a/b', '../private'), { name: 'a/b/secret' }]],
    ['names that go up', () => [{ name: '../private/secret' }, { name: 'd/../../private/new' }, { name: '../../outside/new' }]],
    ['absolute names', () => [{ name: join(base, 'outside/secret') }, { name: join(base, 'outside/new') }]],
    ['a hard link to a file outside, and bytes for it', () => [{ name: 'h', type: 'link', linkname: '../private/secret' }, { name: 'h' }]],
    ['a hard link through a link', () => [link('l', '../private'), { name: 'h', type: 'link', linkname: 'l/secret' }, { name: 'h' }]],
    ['a directory where a link was', () => [link('l', '../private'), { name: 'l', type: 'directory' }, { name: 'l/secret' }]],
    ['a pipe and a device', () => [{ name: 'p', type: 'fifo' }, { name: 'c', type: 'character-device', devmajor: 1, devminor: 3 }]],
    ['set-user-ID programs', () => [{ name: 's', mode: 0o6755 }]],
    ['a closed directory with a link in it', () => [{ name: 'c', type: 'directory', mode: 0 }, link('c/l', '../../private')]],
    ['a root of its own mode', () => [{ name: './', type: 'directory', mode: 0o7000 }, { name: './f' }]],
    ['a directory that is kept for transfers', () => [{ name: '.kilim-in-1', type: 'directory' }, link('.kilim-in-1/l', '../..')]],
  ]; // prettier-ignore

  it.each(STREAMS)(
    'with %s changes nothing outside and leaves nothing that leads there',
    async (_, entries) => {
      const before = secrets();
      const sent = { from: aHostile(entries()), fromPath: 'any', toPath: 'drop', sameHost: false };
      await copy({ ...sent, dropsLinks: true }).catch(() => undefined);
      // the second time what came the first time is there
      await copy({ ...sent, dropsLinks: true }).catch(() => undefined);
      await copy({ ...sent, toPath: 'drop/single' }).catch(() => undefined);
      expect(secrets()).toBe(before);
      const odd =
        'find drop ! -type f ! -type d ! -type l -print -o -type f -perm /6000 -print -o -name ".kilim*" -print';
      expect(execFileSync('bash', ['-c', odd], { cwd: join(base, 'root'), encoding: 'utf8' })).toBe('');
    },
  );

  it('is not unpacked through a link that it sent before, without a filter and with one', async () => {
    const before = secrets();
    const to = { fromPath: 'any', toPath: 'drop', sameHost: false };
    await copy({ ...to, from: aHostile([link('l', '../private')]) });
    expect(readlinkSync(join(base, 'root/drop/l'))).toBe('../private');
    for (const filter of [undefined, ['l/secret']]) {
      const sent = copy({ ...to, from: aHostile([{ name: 'l/secret' }]), ...(filter ? { filter } : {}) });
      await expect(sent).rejects.toMatchObject({ code: 'PATH_INVALID' });
    }
    expect(secrets()).toBe(before);
  });

  it.each([
    '1 1 600;touch${IFS}$HOME/hit',
    '1;touch${IFS}$HOME/hit 1 600',
    '70000000 x$(id) 600',
    '-1 1 600',
    '',
  ])(
    'that describes a file as %j is refused: the words go into commands of the other host',
    async (described) => {
      const sent = copy({ from: aHostile([], described), fromPath: 'f', toPath: 'drop/f', sameHost: false });
      await expect(sent).rejects.toThrow('does not describe f as a file');
      expect(existsSync(join(base, 'home/hit'))).toBe(false);
    },
  );
});

describe('a link in a tree that is copied to the system of another user', () => {
  it.each<[string, string, boolean]>([
    ['l', 'file', true],
    ['l', './tree/../file', false], // what is no directory but a link would lead elsewhere
    ['l', '..', true], // drop itself
    ['l', '../..', false],
    ['l', '../d/other', true],
    ['l', '../../drop/d', false],
    ['a/b/l', '../../file', true],
    ['a/b/l', './..//.././../d', true],
    ['a/b/l', '../../../../private', false],
    ['a/b/l', '/etc/passwd', false],
    ['l', 'DROP/d', true],
    ['l', 'DROP/../private', false],
    ['l', 'BASE/outside', false],
    ['l', 'DROPx', false],
  ])('%s → %s stays: %s', async (at, text, stays) => {
    const tree = join(base, 'root/source/links');
    mkdirSync(join(tree, 'a/b'), { recursive: true });
    const told = text.replace('DROP', join(base, 'root/drop')).replace('BASE', base);
    symlinkSync(told, join(tree, at));
    for (const sameHost of [true, false]) {
      const sent = { fromPath: 'source/links', toPath: `drop/to${sameHost}`, sameHost, dropsLinks: true };
      const { leftOut } = await copy(sent);
      const found = lstatSync(join(base, 'root', sent.toPath, at), { throwIfNoEntry: false });
      expect([found?.isSymbolicLink() ?? false, leftOut]).toEqual([
        stays,
        stays ? undefined : { count: 1, names: `./${at}` },
      ]);
      await copy({ ...sent, dropsLinks: false });
      expect(readlinkSync(join(base, 'root', sent.toPath, at))).toBe(told);
    }
  });
});
