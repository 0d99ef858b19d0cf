import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  createWriteStream,
  ftruncateSync,
  mkdirSync,
  openSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';

import fc from 'fast-check';
import { afterEach, beforeEach, expect, it } from 'vitest';

import { zipOf } from '../../../api/zip.js';
import { tarOf } from '../../../hosts/read-files.js';
import { fencedRoot, type Root } from '../../../hosts/rooted.js';
import { longestStall } from '../../support/loop-monitor.js';
import { base, closePlace, host, openPlace, signal } from '../hosts/a-place.js';

beforeEach(openPlace);
afterEach(closePlace);

const root = (): string => join(base, 'root');
const own = (...dirs: string[]): void => {
  for (const dir of dirs) execFileSync('chmod', ['-R', 'a+rwX', dir]);
};

interface Zip {
  comment: string;
  /** By the bytes of their names in hex. */
  entries: Map<string, { content: string; size: number; isText: boolean; mode: number }>;
}

/** What another program reads in the zip; with `deep` the contents too, else it only checks them. */
const READ = `
import json, sys, zipfile
z = zipfile.ZipFile(sys.argv[1])
deep = sys.argv[2] == 'deep'
assert z.testzip() is None
bytes_of = lambda i: i.filename.encode('utf8' if i.flag_bits & 0x800 else 'cp437')
print(json.dumps({'comment': z.comment.decode(), 'entries': [[i.orig_filename.encode('utf8' if i.flag_bits & 0x800 else 'cp437').hex(),
  {'content': z.read(i).hex() if deep else '', 'size': i.file_size, 'isText': bool(i.flag_bits & 0x800), 'mode': i.external_attr >> 16}] for i in z.infolist()]}))`;

async function zipped(path: string, of: Root = root(), deep = true): Promise<Zip> {
  const file = join(base, 'the.zip');
  await pipeline(await zipOf(host, of, path, signal), createWriteStream(file));
  const said = execFileSync('python3', ['-c', READ, file, deep ? 'deep' : ''], { maxBuffer: 2 ** 28 });
  const { comment, entries } = JSON.parse(said.toString()) as { comment: string; entries: [string, { content: string }][] }; // prettier-ignore
  const all = entries.map(([name, entry]) => [name, { ...entry, content: Buffer.from(entry.content, 'hex').toString() }] as const); // prettier-ignore
  expect(new Set(all.map(([name]) => name)).size).toBe(all.length);
  return { comment, entries: new Map(all) as Zip['entries'] };
}
const hex = (text: string | Buffer): string => Buffer.from(text).toString('hex');
const named = ({ entries }: Zip): string[] => [...entries.keys()].map((name) => Buffer.from(name, 'hex').toString()).sort(); // prettier-ignore
const contents = ({ entries }: Zip): Record<string, string> =>
  Object.fromEntries([...entries].map(([name, { content }]) => [Buffer.from(name, 'hex').toString(), content]).sort()); // prettier-ignore

const piece = fc.oneof(
  fc.constantFrom('a', 'b', ':', '\\', ' ', '.', '..', 'é', '日', '𝄞', '\ufffd', '\n', "'", '"', '%', '*', '-', '~', 'PK', '\u0001').map((text) => Buffer.from(text)),
  fc.uint8Array({ min: 1, max: 255, minLength: 1, maxLength: 3 }).map((bytes) => Buffer.from(bytes)),
); // prettier-ignore
const aName = fc
  .array(piece, { minLength: 1, maxLength: 5 })
  .map((pieces) => Buffer.concat(pieces))
  .filter((name) => !name.includes(0x2f) && !['.', '..'].includes(name.toString()));

it('has an entry for each file and each empty directory, by its bytes, whatever it is called', async () => {
  const names = fc.uniqueArray(aName, { minLength: 5, maxLength: 25, selector: hex });
  let i = 0;
  await fc.assert(
    fc.asyncProperty(names, async (all) => {
      const tree = join(root(), 'source', `t${i++}`);
      mkdirSync(tree);
      const expected = new Map<string, string>();
      all.forEach((name, n) => {
        const at = Buffer.concat([Buffer.from(`${tree}/`), name]);
        const below = Buffer.concat([at, Buffer.from('/'), all[0] ?? name]);
        if (n % 3 > 0) mkdirSync(at);
        if (n % 3 === 2) mkdirSync(below);
        else writeFileSync(n % 3 === 1 ? below : at, `content ${n}`);
        const path = (n % 3 > 0 ? below : at).subarray(tree.length + 1);
        expected.set(`${hex(path)}${n % 3 === 2 ? '2f' : ''}`, n % 3 === 2 ? '' : `content ${n}`);
      });
      own(tree);
      const { entries, comment } = await zipped(`source/${tree.split('/').at(-1)}`);
      expect([...entries].map(([name, { content }]) => [name, content]).sort()).toEqual([...expected].sort());
      expect(comment).toBe('');
      for (const [name, { isText }] of entries) {
        const bytes = Buffer.from(name, 'hex');
        const isValid = Buffer.from(bytes.toString()).equals(bytes);
        expect(isText).toBe(isValid && bytes.some((byte) => byte > 127));
      }
    }),
    { numRuns: 25 },
  );
}, 60_000);

it('keeps apart what others take for one name, and what others cannot name', async () => {
  const tree = join(root(), 'source/z');
  mkdirSync(join(tree, 'empty/deep'), { recursive: true });
  for (const name of [
    'chr1:1-2.vcf',
    'chr2:1-2.vcf',
    'run1:',
    '\\',
    'a\\b',
    'C:',
    ' ',
    '-',
    '~',
    'x'.repeat(255),
  ])
    writeFileSync(join(tree, name), name);
  writeFileSync(join(tree, 'nothing'), '', { mode: 0o644 });
  writeFileSync(join(tree, 'program'), 'x', { mode: 0o750 });
  execFileSync('mkfifo', [join(tree, 'pipe')]);
  own(tree);
  const zip = await zipped('source/z');
  expect(named(zip)).toEqual(['chr1:1-2.vcf', 'chr2:1-2.vcf', 'run1:', '\\', 'a\\b', 'C:', ' ', '-', '~', 'x'.repeat(255), 'nothing', 'program', 'empty/deep/'].sort()); // prettier-ignore
  expect(zip.entries.get(hex('program'))?.mode).toBe(0o100777 & ~0);
  expect(zip.entries.get(hex('empty/deep/'))?.mode).toBe(0o040777);
  expect(zip.comment).toBe('Not in this archive: 1 entries that are no files, directories or links: "pipe"');
  expect(spawnSync('unzip', ['-tqq', join(base, 'the.zip')]).status).toBe(0);
});

it('stores a link as what it leads to, and names in the comment those of which it has nothing', async () => {
  const tree = join(root(), 'drop/tree');
  mkdirSync(join(tree, 'run-3/deep'), { recursive: true });
  mkdirSync(join(root(), 'drop/beside'));
  writeFileSync(join(tree, 'run-3/out'), 'result');
  writeFileSync(join(root(), 'drop/beside/shared'), 'shared');
  const links: Record<string, string> = {
    latest: 'run-3', 'run-3/again': 'out', 'run-3/deep/shared': '../../../beside/shared', beside: '../beside', nowhere: 'none',
    ring: 'ring', up: '.', 'run-3/deep/up': '../..', above: '..', out: '../../private', passwd: '/etc/passwd', odd: './run-3/./out',
  }; // prettier-ignore
  for (const [name, to] of Object.entries(links)) symlinkSync(to, join(tree, name));
  symlinkSync('run-3/out', Buffer.concat([Buffer.from(`${tree}/k7\n&,`), Buffer.of(0xe9)]));
  symlinkSync('../../private', Buffer.concat([Buffer.from(`${tree}/p`), Buffer.of(0xe9)]));
  own(tree, join(root(), 'drop/beside'));
  const zip = await zipped('drop/tree', fencedRoot(root(), 'drop'));
  expect(contents(zip)).toEqual({
    'run-3/out': 'result', 'run-3/again': 'result', 'run-3/deep/shared': 'shared', 'latest/out': 'result', 'latest/again': 'result',
    'latest/deep/': '', 'run-3/deep/': '', 'latest/deep/shared': 'shared', 'beside/shared': 'shared', odd: 'result', 'k7\n&,\ufffd': 'result',
  }); // prettier-ignore
  expect(zip.entries.has(hex(Buffer.concat([Buffer.from('k7\n&,'), Buffer.of(0xe9)])))).toBe(true);
  const lines = zip.comment
    .split('\n')
    .map((line) => line.replace('Not in this archive: ', ''))
    .sort();
  const sorted = lines.map((line) => line.replace(/: (".*)$/, (_, names: string) => `: ${names.split(', ').sort().join(', ')}`)); // prettier-ignore
  expect(sorted).toEqual([
    '2 links that lead nowhere: "nowhere", "ring"',
    '3 links that lead out of the directory that may be used: "out", "p%E9", "passwd"',
    '4 links that lead to a directory that holds them: "above", "latest/deep/up", "run-3/deep/up", "up"',
  ]);
});

it('names twenty links that lead out, and ends a ring of directories', async () => {
  const tree = join(root(), 'drop/tree');
  mkdirSync(tree);
  for (let i = 0; i < 25; i++) symlinkSync('/etc/passwd', join(tree, `out${i}`));
  for (const [one, other] of [
    ['a', 'b'],
    ['b', 'a'],
  ] as const) {
    mkdirSync(join(tree, one));
    symlinkSync(`../${other}`, join(tree, one, 'l'));
  }
  const { comment, entries } = await zipped('drop/tree', fencedRoot(root(), 'drop'));
  const [line = ''] = comment.split('\n').filter((one) => one.includes('lead out'));
  expect(line).toContain('25 links');
  expect(line.match(/"out\d+"/g)).toHaveLength(20);
  expect(entries.size).toBeLessThan(10);
});

it('has the content of what a link leads to where that is checked, and nothing of what takes its place', async () => {
  const tree = join(root(), 'drop/tree');
  mkdirSync(tree);
  writeFileSync(join(root(), 'drop/fine'), 'fine');
  symlinkSync('../fine', join(tree, 'l'));
  own(tree);
  // as if the file was replaced by a link between the look and the reading
  const shim = join(base, 'shims/xargs');
  const real = process.env['PATH'] ?? '';
  writeFileSync(shim, `#!/bin/bash\nPATH=${real}\nxargs "$@"\nrm -f ${root()}/drop/fine; ln -s ../private/secret ${root()}/drop/fine\n`, { mode: 0o755 }); // prettier-ignore
  process.env['PATH'] = `${join(base, 'shims')}:${real}`;
  execFileSync('chmod', ['-R', 'a+rwX', join(root(), 'drop')]);
  if (process.getuid?.() === 0) execFileSync('chown', ['-R', 'nobody', join(root(), 'drop')]);
  expect(contents(await zipped('drop/tree', fencedRoot(root(), 'drop')))).toEqual({});
});

it('has an entry of 5 GiB, and what comes behind it', async () => {
  const tree = join(root(), 'source/big');
  mkdirSync(tree);
  const file = openSync(join(tree, 'a'), 'w', 0o644);
  ftruncateSync(file, 5 * 2 ** 30); // takes no room
  closeSync(file);
  writeFileSync(join(tree, 'b'), 'behind');
  own(tree);
  const path = join(base, 'the.zip');
  await pipeline(await zipOf(host, root(), 'source/big', signal), createWriteStream(path));
  expect(statSync(path).size).toBeLessThan(2 ** 25);
  const said = execFileSync('python3', ['-c', 'import sys,zipfile\nz=zipfile.ZipFile(sys.argv[1])\nprint([(i.filename, i.file_size) for i in z.infolist()], z.read("b"))', path], { encoding: 'utf8' }); // prettier-ignore
  expect(said.trim()).toMatch(/^\[\('[ab]', \d+\), \('[ab]', \d+\)\] b'behind'$/);
  expect(said).toContain(`('a', ${5 * 2 ** 30})`);
}, 180_000);

it('has 70,000 entries, and holds nobody up', async () => {
  const tree = join(root(), 'source/many');
  execFileSync('bash', ['-c', `mkdir -p ${tree}/{0..69} && cd ${tree} && for i in {0..69}; do touch $i/{0..998}; echo content > $i/last; done`]); // prettier-ignore
  const path = join(base, 'the.zip');
  const stall = await longestStall(async () =>
    pipeline(await zipOf(host, root(), 'source/many', signal), createWriteStream(path)),
  );
  expect(stall).toBeLessThan(100);
  const said = execFileSync('python3', ['-c', 'import sys,zipfile\nz=zipfile.ZipFile(sys.argv[1])\nprint(len(z.namelist()), z.read("69/last"))', path], { encoding: 'utf8' }); // prettier-ignore
  expect(said.trim()).toBe("70000 b'content\\n'");
  expect(spawnSync('unzip', ['-tqq', path]).status).toBe(0);
}, 120_000);

it('refuses more than an archive may have before its first byte, empty directories too', async () => {
  mkdirSync(join(root(), 'source/most/1/2/3'), { recursive: true });
  mkdirSync(join(root(), 'source/most/4'));
  const end = async (most: number) => {
    const { stdout, done } = await host.stream(tarOf(root(), 'source/most', most));
    const bytes = await buffer(stdout);
    return [bytes.length > 0, await done];
  };
  expect(await end(2)).toEqual([true, { exitCode: 0, stderr: '' }]);
  expect(await end(1)).toEqual([false, { exitCode: 65, stderr: expect.stringContaining('it has more than 1 files') as string }]); // prettier-ignore
});

it('leaves out of the archive what was removed while it was made', async () => {
  const shim = join(base, 'shims/tar');
  const real = process.env['PATH'] ?? '';
  writeFileSync(shim, `#!/bin/bash\nPATH=${real}\ntar "$@" || exit\necho "tar: ./away: File removed before we read it" >&2; exit 1\n`, { mode: 0o755 }); // prettier-ignore
  process.env['PATH'] = `${join(base, 'shims')}:${real}`;
  expect(contents(await zipped('source'))).toEqual({ file: 'new', 'tree/l/x': 'new' });
});

it('ends with an error, not as a complete archive, where a file cannot be read', async () => {
  chmodSync(join(root(), 'source/tree/l/x'), 0);
  if (process.getuid?.() === 0) await expect(zipped('source')).rejects.toThrow('Permission denied');
});
