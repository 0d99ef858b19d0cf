import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, expect, it } from 'vitest';

import { archiveOutputs } from '../../../activities/archive-outputs.js';
import type { Deps } from '../../../activities/deps.js';
import type { RemoteCommand } from '../../../domain/remote-command.js';
import { aPlan } from '../../support/a-plan.js';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'kilim-archive-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

let events: string[];
let afterList: () => void;
beforeEach(() => {
  events = [];
  afterList = () => undefined;
});

/** This machine's bash as the host of both ends. */
const host = {
  name: 'h',
  identity: () => Promise.resolve('h'),
  run: <T>({ line, stdin, parse, onOutput }: RemoteCommand<T>): Promise<T> => {
    const { stdout, stderr, status } = spawnSync('bash', ['-c', line], { input: stdin });
    onOutput?.(stdout);
    if (onOutput) afterList();
    const text = onOutput ? '' : stdout.toString();
    return Promise.resolve(parse({ stdout: text, stderr: stderr.toString(), exitCode: status }));
  },
};

const use = () => ({ systemId: 's', rootDir: dir, host: 'h', port: 22, loginUser: 'al', asUser: 'al' });

/** Of outputs in `out`, to the given directory of the same system. */
const archive = async (
  archiveSystemDir: string,
  excludes: string[],
  launchedOn = 'h',
  includes: string[] = [],
): Promise<void> => {
  const plan = aPlan({
    exec: use(), archive: use(), execSystemExecDir: 'exec', execSystemOutputDir: 'out', archiveSystemDir, archivesInPlace: false,
    paths: { rootDir: dir, execDir: join(dir, 'exec'), inputDir: join(dir, 'exec'), outputDir: join(dir, 'out') }, dtn: null,
    archiveFilter: { includes, excludes, includeLaunchFiles: false },
  }); // prettier-ignore
  const job = { uuid: 'u', tenant: 'dev', plan, remoteJobId: '7', launchedOn };
  const deps = {
    openHost: () => Promise.resolve(host),
    store: {
      jobs: {
        get: () => Promise.resolve(job),
        findWriter: () => Promise.resolve(null),
        addEvent: (_uuid: string, _event: string, _detail: string, { message }: { message: string }) =>
          Promise.resolve(events.push(message)),
      },
      systems: { find: () => Promise.resolve({ owner: plan.owner }) },
    },
  } as unknown as Deps;
  await archiveOutputs(deps, 'u', { signal: new AbortController().signal, report: () => undefined });
};

it('archives what the filter selects, however deep it lies', async () => {
  const deep = Array.from({ length: 30 }, (_, i) => `level${i}`).join('/');
  mkdirSync(join(dir, 'out', deep), { recursive: true });
  writeFileSync(join(dir, 'out', deep, 'result'), '42');
  writeFileSync(join(dir, 'out/scratch.tmp'), '');
  await archive('archive', ['*.tmp']);
  expect(existsSync(join(dir, 'archive', deep, 'result'))).toBe(true);
  expect(existsSync(join(dir, 'archive/scratch.tmp'))).toBe(false);
});

it('archives what the filter selects under names that are not UTF-8', async () => {
  const name = Buffer.from([0x78, 0xff, 0x27, 0xc3, 0xa9, 0x80]);
  mkdirSync(join(dir, 'out'));
  writeFileSync(Buffer.concat([Buffer.from(join(dir, 'out/')), name]), '42');
  await archive('archive', ['*.tmp']);
  expect(readdirSync(join(dir, 'archive'), 'buffer')).toEqual([name]);
});

it('archives into a directory of the outputs, not into itself, however often', async () => {
  mkdirSync(join(dir, 'out/sub'), { recursive: true });
  writeFileSync(join(dir, 'out/sub/result'), '42');
  await archive('out/kept/here', []);
  await archive('out/kept/here', []);
  expect(existsSync(join(dir, 'out/kept/here/sub/result'))).toBe(true);
  expect(readdirSync(join(dir, 'out/kept/here'))).toEqual(['sub']);
});

it('archives nothing from a host that did not run the job', async () => {
  mkdirSync(join(dir, 'out'), { recursive: true });
  writeFileSync(join(dir, 'out/result'), 'of another host');
  await expect(archive('archive', [], 'another host')).rejects.toMatchObject({ code: 'HOST_KEY_CHANGED' });
  expect(existsSync(join(dir, 'archive'))).toBe(false);
});

it.each([
  ['an exclude', { includes: [], excludes: ['*.tmp'] }],
  ['an include with a wildcard', { includes: ['caf*'], excludes: [] }],
  ['an include in which one sign stands for the byte', { includes: ['caf?.txt'], excludes: [] }],
  ['a regular expression', { includes: ['REGEX:caf.\\.txt'], excludes: [] }],
])('archives a name that is not UTF-8 by a filter of %s', async (_what, filter) => {
  mkdirSync(join(dir, 'out'), { recursive: true });
  const name = Buffer.from([0x63, 0x61, 0x66, 0xe9, 0x2e, 0x74, 0x78, 0x74]);
  writeFileSync(Buffer.concat([Buffer.from(join(dir, 'out/')), name]), '42');
  writeFileSync(join(dir, 'out/scratch.tmp'), '');
  await archive('archive', filter.excludes, 'h', filter.includes);
  expect(readdirSync(join(dir, 'archive'), { encoding: 'buffer' })).toEqual([name]);
});

it('archives what is still there, and the history names what was removed after the list was made', async () => {
  mkdirSync(join(dir, 'out'), { recursive: true });
  for (const name of ['kept', 'brief']) writeFileSync(join(dir, 'out', name), '42');
  afterList = () => rmSync(join(dir, 'out/brief'));
  await archive('archive', ['*.tmp']);
  expect(readdirSync(join(dir, 'archive'))).toEqual(['kept']);
  expect(events).toEqual([
    '1 of the outputs that archiveFilter selects are not in the archive on s: they were removed on s before they could be copied. The first: brief',
  ]);
});
