import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { MockActivityEnvironment } from '@temporalio/testing';
import { afterEach, beforeEach, expect, it } from 'vitest';

import type { Deps } from '../../../activities/deps.js';
import { stageJob } from '../../../activities/stage-job.js';
import type { RemoteCommand } from '../../../domain/remote-command.js';
import { aPlan } from '../../support/a-plan.js';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'kilim-stage-'));
  mkdirSync(join(dir, 'job'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

/** This machine's bash as the host; the preparation of the application takes a while. */
function aStage(preparation = 'sleep 0.4'): Deps {
  const execDir = join(dir, 'job');
  const plan = aPlan({
    exec: { systemId: 's', rootDir: dir, host: 'h', port: 22, loginUser: 'al', asUser: 'al' },
    paths: { rootDir: dir, execDir, inputDir: execDir, outputDir: execDir },
    ...{ execSystemExecDir: 'job', execSystemInputDir: 'job', execSystemOutputDir: 'job' },
  });
  const run = async <T>({ line, stdin, parse }: RemoteCommand<T>): Promise<T> => {
    const child = spawn('bash', ['-c', line]);
    let stderr = '';
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
    child.stdin.end(stdin);
    const exitCode = await new Promise<number | null>((resolve) => child.on('close', resolve));
    return parse({ stdout: '', stderr, exitCode });
  };
  const slow = {
    prepare: () => ({
      line: preparation,
      parse: ({ exitCode }: { exitCode: number | null }) => {
        if (exitCode !== 0) throw new Error('not ready');
        return null;
      },
    }),
    envFile: () => 'A=1\n',
    phrase: () => ({ before: [], run: 'true', after: [] }),
  };
  return {
    installation: 'i',
    openHost: () => Promise.resolve({ name: 'h', run }),
    runtimes: { ZIP: slow, DOCKER: slow, SINGULARITY: slow },
    schedulers: Object.fromEntries(['process', 'docker'].map((keeper) => [keeper, { script: () => '#!/bin/bash\n' }])),
    store: { jobs: { getPlan: () => Promise.resolve(plan), getEnv: () => Promise.resolve([]), findSharers: () => Promise.resolve([]) } },
  } as unknown as Deps; // prettier-ignore
}

it('may be done a second time while a lost try goes on at the host', async () => {
  const deps = aStage();
  const progress = { signal: new AbortController().signal, report: () => undefined };
  const stage = () => new MockActivityEnvironment().run(() => stageJob(deps, 'u', progress));
  const first = stage();
  await new Promise((resolve) => setTimeout(resolve, 100));
  await Promise.all([first, stage()]);
  expect(readFileSync(join(dir, 'job/tapisjob.env'), 'utf8')).toBe('A=1\n');
  const env = join(dir, 'job/.kilim', aPlan().uuid, 'tapisjob.env');
  expect([readFileSync(env, 'utf8'), statSync(env).mode & 0o777]).toEqual(['A=1\n', 0o600]);
  expect(readFileSync(join(dir, 'job/tapisjob.sh'), 'utf8')).toBe('#!/bin/bash\n');
  expect(readdirSync(join(dir, 'job/.kilim', aPlan().uuid))).toEqual(['tapisjob.env', 'tapisjob.sh']);
  expect(readdirSync(join(dir, 'job')).sort()).toEqual(['.kilim', 'tapisjob.env', 'tapisjob.sh']);
});

it.each([
  ['fails', 'exit 65', false],
  ['is cancelled while it works', 'sleep 0.3', true],
])('leaves no environment on the host where it %s', async (_how, preparation, isCancelled) => {
  const deps = aStage(preparation);
  const stop = new AbortController();
  const progress = { signal: stop.signal, report: () => undefined };
  const staging = new MockActivityEnvironment().run(() => stageJob(deps, 'u', progress));
  if (isCancelled) stop.abort();
  await staging.catch(() => undefined);
  expect(readdirSync(join(dir, 'job/.kilim', aPlan().uuid))).toEqual(isCancelled ? ['tapisjob.sh'] : []);
  expect(readdirSync(join(dir, 'job'))).not.toContain('tapisjob.env');
});

it('leaves no half-made environment on the host where its shell is killed by the cancel', async () => {
  const deps = aStage('kill -KILL $$');
  const stop = new AbortController();
  const progress = { signal: stop.signal, report: () => undefined };
  const staging = new MockActivityEnvironment().run(() => stageJob(deps, 'u', progress));
  stop.abort();
  await expect(staging).rejects.toThrow();
  const left = readdirSync(join(dir, 'job/.kilim', aPlan().uuid));
  expect(left.filter((name) => !name.endsWith('.sh'))).toEqual([]);
  expect(left).toHaveLength(1); // the script that was written beside the environment
});
