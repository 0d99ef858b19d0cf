import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, expect, it } from 'vitest';

import { ledgerDir } from '../../../domain/jobs/ledger.js';
import { commentOf } from '../../../schedulers/slurm-directives.js';
import { slurm } from '../../../schedulers/slurm.js';
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

const launch = (more = {}, exported = {}, forgotten?: string) => {
  const paths = { rootDir: '/', execDir: folder, inputDir: folder, outputDir: `${folder}/output` };
  const plan = aPlan({ jobType: 'BATCH', keeper: 'slurm', paths, ...more });
  const { line, parse } = launchSlurm(plan, 'inst', forgotten);
  const { status, stdout, stderr } = spawnSync('bash', ['--noprofile', '--norc', '-c', line], {
    encoding: 'utf8',
    env: { ...process.env, ...exported, HOME: folder, PATH: `${folder}/bin:${process.env['PATH'] ?? ''}` },
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

it('lets nothing that the account exports overrule what the job asks for, and keeps what the site sets for all', () => {
  program('sbatch', 'env | grep ^SBATCH_ | sort > "$HOME/exported"; echo Submitted batch job 7');
  const exported = {
    SBATCH_TIMELIMIT: '1', SBATCH_PARTITION: 'other', SBATCH_OUTPUT: '/tmp/x', SBATCH_ERROR: '/tmp/y', SBATCH_MEM_PER_CPU: '1',
    SBATCH_ARRAY_INX: '1-9', SBATCH_CLUSTERS: 'else', SBATCH_WAIT: '1', SBATCH_REQUEUE: '1', SBATCH_QOS: 'low',
    SBATCH_ACCOUNT: 'of-the-site', SBATCH_EXPORT: 'NONE',
  }; // prettier-ignore
  launch({ hpcQueue: 'normal', schedulerOptions: [{ name: 'q', arg: '--qos=high' }] }, exported);
  expect(readFileSync(join(folder, 'exported'), 'utf8')).toBe(
    'SBATCH_ACCOUNT=of-the-site\nSBATCH_EXPORT=NONE\n',
  );
});

it('finds its job whatever filter of squeue the account exports', () => {
  program('sbatch', 'exit 143');
  const mark = commentOf('inst', aPlan().uuid);
  program('squeue', `[ -z "$SQUEUE_PARTITION$SLURM_CLUSTERS" ] && echo "9 ${mark}"; exit 0`);
  const exported = { SQUEUE_PARTITION: 'other', SLURM_CLUSTERS: 'else' };
  expect(launch({}, exported)).toEqual({ remoteJobId: '9', adopted: true });
});

it('submits again what Slurm forgot, unless the queue has it or it started after all', () => {
  program('squeue', 'cat "$HOME/queue" 2> /dev/null; exit 0');
  program('scontrol', 'exit 0');
  expect(launch()).toEqual({ remoteJobId: '7', adopted: false });
  program('sbatch', 'echo Submitted batch job 8');
  expect(launch()).toEqual({ remoteJobId: '7', adopted: true });
  expect(launch({}, {}, '6')).toEqual({ remoteJobId: '7', adopted: true });
  expect(launch({}, {}, '7')).toEqual({ remoteJobId: '8', adopted: false });
  writeFileSync(join(folder, 'queue'), `9 ${commentOf('inst', aPlan().uuid)}\n`);
  expect(launch({}, {}, '8')).toEqual({ remoteJobId: '9', adopted: true });
  const ledger = ledgerDir(
    aPlan({ paths: { rootDir: '/', execDir: folder, inputDir: folder, outputDir: folder } }),
  );
  writeFileSync(join(ledger, 'slurm'), '9\n');
  expect(launch({}, {}, '9')).toEqual({ remoteJobId: '9', adopted: true });
}, 30_000);

it('keeps the number of what was forgotten until another takes its place', () => {
  program('squeue', 'exit 0');
  program('scontrol', 'exit 0');
  launch();
  program('sbatch', 'echo "sbatch: error: Unable to contact slurm controller" >&2; exit 1');
  expect(() => launch({}, {}, '7')).toThrow(expect.objectContaining({ code: 'SCHEDULER_UNAVAILABLE' }));
  const ledger = ledgerDir(
    aPlan({ paths: { rootDir: '/', execDir: folder, inputDir: folder, outputDir: folder } }),
  );
  expect(readFileSync(join(ledger, 'id'), 'utf8')).toBe('7\n');
}, 30_000);

it('takes no word of a file that the job can write for an option of Slurm', () => {
  program('scancel', 'echo "$@" >> "$HOME/asked"');
  program('scontrol', 'echo "$@" >> "$HOME/asked"; echo "Invalid job id specified" >&2; exit 1');
  const paths = { rootDir: '/', execDir: folder, inputDir: folder, outputDir: `${folder}/output` };
  const plan = aPlan({ jobType: 'BATCH', keeper: 'slurm', paths });
  mkdirSync(ledgerDir(plan), { recursive: true });
  for (const name of ['id', 'slurm']) writeFileSync(join(ledgerDir(plan), name), '--user=alice\n');
  for (const { line } of [slurm.cancel(plan, '7', 'inst'), slurm.hold(plan, '7', 'inst')])
    spawnSync('bash', ['--noprofile', '--norc', '-c', line], {
      env: { ...process.env, HOME: folder, PATH: `${folder}/bin:${process.env['PATH'] ?? ''}` },
    });
  const asked = readFileSync(join(folder, 'asked'), 'utf8');
  expect(asked).toMatch(/^7$/m);
  expect(asked).not.toContain('--user');
});
