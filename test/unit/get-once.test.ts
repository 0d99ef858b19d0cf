import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import type { JobPlan } from '../../domain/jobs/job-plan.js';
import { singularity } from '../../runtimes/singularity.js';
import { aPlan } from '../support/a-plan.js';

/* The very scripts that go to hosts, run by a real bash, with a stand-in for `singularity` that obeys the test. */

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'kilim-image-'));
  for (const folder of ['bin', 'job']) mkdirSync(join(dir, folder));
  for (const tool of 'bash cat cut find flock grep mkdir mv rm setsid sh sleep tail touch tr'.split(' '))
    symlinkSync(spawnSync('which', [tool], { encoding: 'utf8' }).stdout.trim(), join(dir, 'bin', tool));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const aJob = (number: number, more: Partial<JobPlan> = {}): JobPlan => {
  const execDir = join(dir, 'job');
  return aPlan({
    uuid: `11111111-1111-4111-8111-11111111111${number}-007`,
    runtime: 'SINGULARITY',
    containerImage: 'docker://somewhere/some-image:1',
    paths: { rootDir: dir, execDir, inputDir: execDir, outputDir: execDir },
    ...more,
  });
};

/** `pull --force … TARGET SOURCE` */
const theTool = (does: string): void =>
  writeFileSync(
    join(dir, 'bin/singularity'),
    `#!/bin/sh\necho called >> ${dir}/calls; for word; do target=$source; source=$word; done\n${does}\n`,
    { mode: 0o755 },
  );

const bash = (line: string) =>
  spawnSync(join(dir, 'bin/bash'), ['-c', line], {
    encoding: 'utf8',
    env: { PATH: join(dir, 'bin'), HOME: dir },
  });

/** One look of a job: null when the image is there, else what it waits for. */
const look = (plan: JobPlan): string | null => {
  const step = singularity.prepare(plan);
  if (!step) throw new Error('nothing to prepare');
  const { stdout, stderr, status } = bash(step.line);
  return step.parse({ stdout, stderr, exitCode: status });
};

/** A line of the tool: it waits for `letGo`, however slow the machine is. */
const waits = (): string => `until [ -e ${dir}/go ]; do sleep 0.05; done`;
const letGo = (): void => writeFileSync(join(dir, 'go'), '');

const calls = (): number =>
  existsSync(join(dir, 'calls')) ? readFileSync(join(dir, 'calls'), 'utf8').split('\n').length - 1 : 0;

const isHad = (plan: JobPlan): Promise<void> =>
  vi.waitFor(() => expect(look(plan)).toBeNull(), { timeout: 15_000, interval: 50 });

describe('an image with a name', () => {
  it('is pulled once for all jobs, and its pull tells how far it is', async () => {
    theTool(`echo Copying blob 7; ${waits()}; echo image > "$target"`);
    expect(look(aJob(1))).toContain('The image docker://somewhere/some-image:1 is pulled');
    expect(look(aJob(2))).toContain('is pulled');
    await vi.waitFor(() => expect(look(aJob(2))).toContain('Copying blob 7'), { timeout: 15_000, interval: 20 });
    letGo();
    await isHad(aJob(1));
    expect(look(aJob(2))).toBeNull();
    expect(look(aJob(3))).toBeNull();
    expect(calls()).toBe(1);
  });

  it('that cannot be had fails every job that waits for it, and is tried again for a later one', async () => {
    theTool(`${waits()}; echo "manifest unknown" >&2; exit 255`);
    const jobs = [aJob(1), aJob(2)];
    for (const job of jobs) look(job);
    letGo();
    for (const job of jobs)
      await vi.waitFor(() => expect(() => look(job)).toThrow(/cannot be had: manifest unknown/), {
        timeout: 15_000,
        interval: 50,
      });
    expect(calls()).toBe(1);
    theTool('echo image > "$target"');
    look(aJob(3));
    await isHad(aJob(3));
    expect(calls()).toBe(2);
  });

  it('is pulled again where the network had a bad moment', async () => {
    theTool(`[ $(grep -c . ${dir}/calls) -gt 1 ] || { echo "i/o timeout" >&2; exit 1; }; echo image > "$target"`);
    look(aJob(1));
    await isHad(aJob(1));
    expect(calls()).toBe(2);
  });

  it('for which there is no room blocks the job', async () => {
    theTool('echo "write: no space left on device" >&2; exit 255');
    look(aJob(1));
    await vi.waitFor(() => expect(() => look(aJob(1))).toThrow(expect.objectContaining({ code: 'DISK_FULL' })), {
      timeout: 15_000,
      interval: 50,
    });
  });

  it('is left to the compute node where the login node has no Singularity', () => {
    expect(() => look(aJob(1))).toThrow('neither singularity nor apptainer is installed');
    const batch = aJob(1, { jobType: 'BATCH', keeper: 'slurm' });
    expect(look(batch)).toBeNull();
    theTool('sleep 0.3; echo image > "$target"');
    const { status } = bash(singularity.phrase(batch).before.map((line) => `{ ${line}; } || exit 9`).join('\n'));
    expect(status).toBe(0);
    expect(look(batch)).toBeNull();
  });
}); // prettier-ignore

it('a path that is not there is told in words', () => {
  expect(() => look(aJob(1, { containerImage: '/nowhere/x.sif' }))).toThrow(
    'The image /nowhere/x.sif cannot be had: it is not there or not readable on this host',
  );
});
