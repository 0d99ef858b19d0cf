import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, expect, it } from 'vitest';

import { launchSlurm } from '../../../schedulers/slurm-launch.js';
import { aPlan } from '../../support/a-plan.js';

/* The script of a login node, run here, with programs that say what the test wants. What Slurm says: test/integration. */

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'kilim-launch-'));
  mkdirSync(join(folder, 'bin'));
  program('sbatch', 'echo Submitted batch job 7');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const program = (name: string, text: string): void => {
  writeFileSync(join(folder, 'bin', name), `#!/bin/sh\n${text}\n`);
  chmodSync(join(folder, 'bin', name), 0o755);
};

const launch = () => {
  const paths = { rootDir: '/', execDir: folder, inputDir: folder, outputDir: `${folder}/output` };
  const { line, parse } = launchSlurm(aPlan({ jobType: 'BATCH', keeper: 'slurm', paths }), 'inst');
  const { status, stdout, stderr } = spawnSync('bash', ['--noprofile', '--norc', '-c', line], {
    encoding: 'utf8',
    env: { ...process.env, HOME: folder, PATH: `${folder}/bin:${process.env['PATH'] ?? ''}` },
  });
  return parse({ stdout, stderr, exitCode: status });
};

it('goes on where the file system knows no locks', () => {
  program('flock', 'echo "flock: 9: Function not implemented" >&2; exit 65');
  expect(launch()).toEqual({ remoteJobId: '7', adopted: false });
});

it('waits where another attempt holds the lock', () => {
  program('flock', 'while [ "$1" != -E ]; do shift; done; exit "$2"');
  expect(launch).toThrow(
    expect.objectContaining({
      code: 'SCHEDULER_UNAVAILABLE',
      message: expect.stringContaining('another attempt is under way'),
    }),
  );
});
