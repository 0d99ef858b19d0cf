import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { makeDirs, moveCopy, removePath, writeFile } from '../../../hosts/change-files.js';
import { copyBigFile } from '../../../hosts/copy-big-file.js';
import { listFiles } from '../../../hosts/list-files.js';
import { openRead } from '../../../hosts/read-files.js';
import { moveTree } from '../../../hosts/move-tree.js';
import {
  base,
  closePlace,
  copy,
  host,
  leftovers,
  onProgress,
  openPlace,
  PATH,
  root,
  secrets,
  signal,
} from './a-place.js';

beforeEach(openPlace);
afterEach(closePlace);

const moved = (toPath: string, filter?: string[]) =>
  moveTree({ host, fromRoot: join(base, 'root'), fromPath: 'source/tree', toRoot: root, toPath, signal, ...(filter ? { filter } : {}) }); // prettier-ignore
const relocated = (operation: 'MOVE' | 'COPY', from: string, path: string) =>
  moveCopy(host, { operation, from: { root: join(base, 'root'), path: from }, to: { root, path } });

/** Each writes `x` (a file, or a directory with something in it) below a path. */
const WRITERS: Record<string, (path: string) => Promise<unknown>> = {
  'a new directory': (path) => makeDirs(host, root, [path]),
  'an upload': (path) => writeFile(host, { root, path }, Buffer.from('new')),
  'a tree of this host': (toPath) => copy({ fromPath: 'source/tree', toPath }),
  'a tree of another host': (toPath) => copy({ fromPath: 'source/tree', toPath, sameHost: false }),
  'some of a tree of this host': (toPath) => copy({ fromPath: 'source/tree', toPath, filter: ['l/x'] }),
  'some of a tree of another host': (toPath) => copy({ fromPath: 'source/tree', toPath, filter: ['l/x'], sameHost: false }), // prettier-ignore
  'a file of this host': (toPath) => copy({ fromPath: 'source/file', toPath }),
  'a file of another host': (toPath) => copy({ fromPath: 'source/file', toPath, sameHost: false }),
  'a big file of another host': (toPath) => {
    const { size, mtimeMs } = statSync(join(base, 'root/source/file'));
    const file = { size, modified: Math.floor(mtimeMs / 1000), mode: '644' };
    return copyBigFile({ from: host, fromRoot: join(base, 'root'), fromPath: 'source/file', to: host, toRoot: root, toPath, signal, onProgress, ...file }); // prettier-ignore
  },
  'a tree from a transfer node': (path) => moved(path),
  'some of a tree to a transfer node': (path) => moved(path, ['l/x']),
  'a moved file': (path) => relocated('MOVE', 'source/file', path),
  'a moved directory': (path) => relocated('MOVE', 'source/tree', path),
  'a copied file': (path) => relocated('COPY', 'source/file', path),
  'a copied directory': (path) => relocated('COPY', 'source/tree', path),
};

/** Each is where a writer writes to, with a link on the way or at its end. */
const PLANTS: [string, () => string][] = [
  ['a link to a directory beside what was granted', () => planted('l', '../private', 'l/new')],
  ['a link to a directory outside of rootDir', () => planted('l', join(base, 'outside'), 'l/new')],
  ['a link to rootDir', () => planted('l', '..', 'l/private/new')],
  ['a link to a link', () => (planted('m', '../private'), planted('l', 'm', 'l/x/new'))],
  ['a link to a file that is there', () => planted('d/l', '../../private/secret', 'd/l')],
  ['a link to a file that is not there', () => planted('d/l', join(base, 'outside/new'), 'd/l')],
  ['a link to a directory, as the target itself', () => planted('l', '../private', 'l')],
  ['a directory that becomes a link once it was looked at', () => swapped('drop/d', 'private', 'd/new')],
  ['a parent that becomes a link once it was looked at', () => swapped('drop/d', '../outside', 'd/x/new')],
];

function planted(link: string, text: string, path = ''): string {
  symlinkSync(text, join(base, 'root/drop', link));
  return `drop/${path}`;
}

/** Once a path was resolved, the directory is replaced by a link: a job, or another request, does so at that moment. */
function swapped(dir: string, to: string, path: string): string {
  const [from, target] = [join(base, 'root', dir), join(base, 'root', to)];
  const shim = `#!/bin/sh\n/usr/bin/env PATH='${PATH}' realpath "$@"; code=$?\n[ -L '${from}' ] || { mv '${from}' '${from}.away' && ln -s '${target}' '${from}'; }\nexit $code\n`;
  writeFileSync(join(base, 'shims/realpath'), shim, { mode: 0o755 });
  chmodSync(join(base, 'shims/realpath'), 0o755);
  process.env['PATH'] = `${join(base, 'shims')}:${PATH}`;
  return `drop/${path}`;
}

describe.each(Object.entries(WRITERS))('%s', (_, write) => {
  it.each(PLANTS)('is not written through %s', async (_name, plant) => {
    const path = plant();
    const before = secrets();
    await write(path).catch(() => undefined);
    expect(secrets()).toBe(before);
    process.env['PATH'] = PATH;
    expect(leftovers()).toBe('');
  });

  it('comes where no link is in the way, and a link within what was granted', async () => {
    symlinkSync('d', join(base, 'root/drop/within'));
    await write('drop/within/made/new');
    expect(existsSync(join(base, 'root/drop/d/made/new'))).toBe(true);
    expect(leftovers()).toBe('');
  });

  it('is refused in a directory that is kept for transfers', async () => {
    mkdirSync(join(base, 'root/drop/.kilim-in-1'), { mode: 0o777 });
    chmodSync(join(base, 'root/drop/.kilim-in-1'), 0o777);
    await expect(write('drop/.kilim-in-1/new')).rejects.toMatchObject({ code: 'PATH_INVALID' });
  });
});

describe.each(Object.entries(WRITERS).filter(([name]) => /tree|copied directory/.test(name)))(
  'the content of %s',
  (name, write) => {
    const at = name === 'a copied directory' ? 'drop/tree' : 'drop';
    it.each([
      ['beside what was granted', 'private'],
      ['outside of rootDir', '../outside'],
      ['within what was granted', 'drop/d'],
    ])('is not written through a link that lies in the target and leads to a directory %s', async (_, to) => {
      if (at !== 'drop') mkdirSync(join(base, 'root', at));
      symlinkSync(join(base, 'root', to), join(base, 'root', at, 'l'));
      execFileSync('chmod', ['-R', 'a+rwX', join(base, 'root/drop')]);
      const before = secrets();
      await expect(write('drop')).rejects.toThrow('nothing is written through a link, and l is one');
      expect(secrets()).toBe(before);
      expect(existsSync(join(base, 'root/drop/d/x'))).toBe(false);
      expect(leftovers()).toBe('');
    });

    it('replaces what has the same name, also where it may not be written to, and however often', async () => {
      if (at !== 'drop') mkdirSync(join(base, 'root', at));
      execFileSync('chmod', ['-R', 'a+rwX', join(base, 'root/drop')]);
      symlinkSync('../source/file', join(base, 'root/source/tree/link'));
      // what is moved file by file must be removed where it was
      if (!/some of a tree to/.test(name)) execFileSync('chmod', ['a-w', join(base, 'root/source/tree/l')]);
      const isMove = /transfer node/.test(name);
      for (let i = 0; i < (isMove ? 1 : 2); i++) await write('drop');
      expect(readFileSync(join(base, 'root', at, 'l/x'), 'utf8')).toBe('new');
      expect(leftovers()).toBe('');
    });
  },
);

it('what was granted is not itself replaced by a link, so that it leads elsewhere', async () => {
  rmSync(join(base, 'root/drop'), { recursive: true });
  symlinkSync('../private', join(base, 'root/source/l'));
  for (const operation of ['MOVE', 'COPY'] as const)
    await expect(relocated(operation, 'source/l', 'drop')).rejects.toMatchObject({ code: 'PATH_INVALID' });
  expect(existsSync(join(base, 'root/drop'))).toBe(false);
});

it('a transfer node’s directory of a job that is a link is refused, and what it leads to stays', async () => {
  mkdirSync(join(base, 'root/node'));
  symlinkSync('../private', join(base, 'root/node/job'));
  const before = secrets();
  const nodeRoot = { rootDir: join(base, 'root'), fences: [{ path: 'node/job', own: 1 }] };
  const take = moveTree({
    host,
    fromRoot: nodeRoot,
    fromPath: 'node/job',
    toRoot: root,
    toPath: 'drop',
    signal,
  });
  await expect(take).rejects.toMatchObject({ code: 'NOT_AUTHORIZED' });
  await expect(removePath(host, nodeRoot, 'node/job')).rejects.toMatchObject({ code: 'NOT_AUTHORIZED' });
  expect(secrets()).toBe(before);
});

it('reads nothing through a directory, or of a file, that becomes a link once it was looked at', async () => {
  for (const name of ['secret', 'x']) writeFileSync(join(base, 'root/drop/d', name), 'plain');
  const path = swapped('drop/d', 'private', 'd');
  await expect(listFiles(host, root, path, { recurse: true, limit: 9, offset: 0 })).rejects.toThrow('leaves');
  rmSync(join(base, 'root/drop/d'));
  execFileSync('mv', [join(base, 'root/drop/d.away'), join(base, 'root/drop/d')]);
  await expect(openRead(host, root, `${path}/secret`)).rejects.toThrow('leaves');
});
