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

/** This machine's bash as the host of both ends. */
const host = {
  name: 'h',
  identity: () => Promise.resolve('h'),
  run: <T>({ line, stdin, parse, onOutput }: RemoteCommand<T>): Promise<T> => {
    const { stdout, stderr, status } = spawnSync('bash', ['-c', line], { input: stdin });
    onOutput?.(stdout);
    const text = onOutput ? '' : stdout.toString();
    return Promise.resolve(parse({ stdout: text, stderr: stderr.toString(), exitCode: status }));
  },
};

const use = () => ({ systemId: 's', rootDir: dir, host: 'h', port: 22, loginUser: 'al', asUser: 'al' });

/** Of outputs in `out`, to the given directory of the same system. */
const archive = async (archiveSystemDir: string, excludes: string[], launchedOn = 'h'): Promise<void> => {
  const plan = aPlan({
    exec: use(), archive: use(), execSystemExecDir: 'exec', execSystemOutputDir: 'out', archiveSystemDir, archivesInPlace: false,
    paths: { rootDir: dir, execDir: join(dir, 'exec'), inputDir: join(dir, 'exec'), outputDir: join(dir, 'out') }, dtn: null,
    archiveFilter: { includes: [], excludes, includeLaunchFiles: false },
  }); // prettier-ignore
  const job = { uuid: 'u', tenant: 'dev', plan, remoteJobId: '7', launchedOn };
  const deps = {
    openHost: () => Promise.resolve(host),
    store: {
      jobs: { get: () => Promise.resolve(job), findSharers: () => Promise.resolve([]) },
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
