import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { listNames } from '../../../hosts/list-files.js';
import { moveTree } from '../../../hosts/move-tree.js';
import { textOf } from '../../../hosts/odd-bytes.js';
import { base, closePlace, copy, host, openPlace, PATH, root, signal } from './a-place.js';

beforeEach(openPlace);
afterEach(closePlace);

const NAMES = [
  Buffer.from([0x63, 0x61, 0x66, 0xe9]),
  Buffer.from([0xe9, 0xc3, 0xa9, 0x25]),
  Buffer.from('caf\ufffd'),
  Buffer.from('n\nl'),
  Buffer.from('-rf'),
  Buffer.from('%E9'),
];
const source = (): string => join(base, 'root/source/names');
const at = (...parts: (string | Buffer)[]): Buffer =>
  Buffer.concat(parts.flatMap((part, i) => (i > 0 ? [Buffer.from('/'), Buffer.from(part)] : [Buffer.from(part)]))); // prettier-ignore
const inside = (dir: string): string[] =>
  readdirSync(join(base, 'root', dir), { encoding: 'buffer' })
    .map((name) => name.toString('hex'))
    .sort();
const hexes = (names: Buffer[]): string[] => names.map((name) => name.toString('hex')).sort();

beforeEach(() => {
  mkdirSync(source());
  for (const name of NAMES) writeFileSync(at(source(), name), 'content');
  execFileSync('chmod', ['-R', 'a+rwX', source()]);
  if (process.getuid?.() === 0) execFileSync('chown', ['-R', 'nobody', source()]);
});

describe.each([{ sameHost: true }, { sameHost: false }])('a list of names, sameHost: $sameHost', (ends) => {
  const to = { fromPath: 'source/names', toPath: 'drop/to', ...ends };

  it('reaches the host as the very bytes that came from there', async () => {
    const filter = await listNames(host, join(base, 'root'), 'source/names');
    const copied = await copy({ ...to, filter });
    expect(inside('drop/to')).toEqual(hexes(NAMES));
    expect(copied).toEqual({ files: NAMES.length, bytes: 7 * NAMES.length });
  });

  it('of which some went away leaves the others, and names the first of them', async () => {
    const filter = await listNames(host, join(base, 'root'), 'source/names');
    const away = [Buffer.from([0xe9]), Buffer.from('a b'), Buffer.from('d/e/\\f'), Buffer.from("'")];
    const { gone, files } = await copy({ ...to, filter: [...away.map(textOf), ...filter] });
    expect([files, gone]).toEqual([NAMES.length, { count: 4, names: '%E9, a b, d/e/\\f' }]);
    expect(inside('drop/to')).toEqual(hexes(NAMES));
  });

  it('with a file that may not be read fails, whatever went away beside it', async () => {
    chmodSync(join(source(), '-rf'), 0);
    const filter = ['away', ...(await listNames(host, join(base, 'root'), 'source/names'))];
    await expect(copy({ ...to, filter })).rejects.toMatchObject({
      code: 'REMOTE_ACCESS_DENIED',
      message: expect.stringContaining('-rf') as string,
    });
  });
});

it.each([
  ['tar', false],
  ['cp', true],
])('a whole tree from which %s finds a file removed meanwhile arrives without it', async (tool, sameHost) => {
  const said =
    tool === 'cp'
      ? "cp: cannot stat './caf'$'\\\\351': No such file or directory"
      : 'tar: ./caf\\\\351: File removed before we read it';
  // as if another process were quicker: the program works, and then says what it says in this case
  const shim = join(base, 'shims', tool);
  writeFileSync(shim, `#!/bin/bash\nPATH=${PATH}\n${tool} "$@" || exit\ncase "$*" in *-cf*|-a*) printf '%s\\n' "${said}" >&2; exit 1 ;; esac\n`, { mode: 0o755 }); // prettier-ignore
  process.env['PATH'] = `${join(base, 'shims')}:${PATH}`;
  await copy({ fromPath: 'source/names', toPath: 'drop/to', sameHost });
  expect(inside('drop/to')).toEqual(hexes(NAMES));
});

it('does not take what else cp says for a file that went away', async () => {
  const shim = join(base, 'shims/cp');
  writeFileSync(shim, `#!/bin/bash\necho "cp: error reading './x': Input/output error" >&2; exit 1\n`, { mode: 0o755 }); // prettier-ignore
  process.env['PATH'] = `${join(base, 'shims')}:${PATH}`;
  const failed = copy({ fromPath: 'source/names', toPath: 'drop/to' });
  await expect(failed).rejects.toThrow('Input/output error');
});

it('does not say of a directory that it was not found where something else was not', async () => {
  const shim = join(base, 'shims/xargs');
  writeFileSync(shim, `#!/bin/bash\necho "xargs: mv: No such file or directory" >&2; exit 127\n`, { mode: 0o755 }); // prettier-ignore
  process.env['PATH'] = `${join(base, 'shims')}:${PATH}`;
  await expect(copy({ fromPath: 'source/names', toPath: 'drop/to' })).rejects.toMatchObject({
    code: 'TRANSFER_FAILED',
    message: expect.stringContaining('xargs: mv') as string,
  });
});

it('moves names that are no text, and says nothing of those that a try before took along', async () => {
  const filter = await listNames(host, join(base, 'root'), 'source/names');
  const move = { host, fromRoot: join(base, 'root'), fromPath: 'source/names', toRoot: root, toPath: 'drop/to', signal }; // prettier-ignore
  await moveTree({ ...move, filter: [...filter, 'away'] });
  expect(inside('drop/to')).toEqual(hexes(NAMES));
  expect(inside('source/names')).toEqual([]);
  rmSync(source(), { recursive: true });
  await expect(moveTree({ ...move, filter })).rejects.toMatchObject({ code: 'PATH_NOT_FOUND' });
});
