import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { ledgerDir } from '../../../domain/jobs/ledger.js';
import type { JobPlan } from '../../../domain/jobs/job-plan.js';
import type { Forgotten, RemoteState } from '../../../domain/jobs/remote.js';
import { settleSlurm } from '../../../schedulers/slurm-settle.js';
import { aPlan } from '../../support/a-plan.js';

const HOUR = 3600;

/* The very script of a login node, run here, with a scontrol and a clock that say what the test wants. */
describe.each([
  ['as ours', 0],
  ['an hour ahead', HOUR],
  ['an hour behind', -HOUR],
])('where the clock of the nodes is %s', (_words, skew) => {
  let folder: string;
  let plan: JobPlan;
  let ledger: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'kilim-clock-'));
    const paths = { rootDir: '/', execDir: folder, inputDir: folder, outputDir: `${folder}/output` };
    plan = aPlan({ jobType: 'BATCH', keeper: 'slurm', paths });
    ledger = ledgerDir(plan);
    mkdirSync(ledger, { recursive: true });
    mkdirSync(join(folder, 'bin'));
    program('date', `exec /usr/bin/date -d "@$(($(/usr/bin/date +%s) + ${skew}))" "$@"`);
    program('sacct', 'exit 1');
    program('sleep', 'exit 0'); // the looks at Slurm that follow one another
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const program = (name: string, text: string): void => {
    writeFileSync(join(folder, 'bin', name), `#!/bin/sh\n${text}\n`);
    chmodSync(join(folder, 'bin', name), 0o755);
  };
  const says = (words: string): void => program('scontrol', `echo '${words}'`);
  const settle = (): RemoteState | Forgotten => {
    const { line, parse } = settleSlurm(plan, '5', 'inst');
    const { status, stdout, stderr } = spawnSync('bash', ['--noprofile', '--norc', '-c', line], {
      encoding: 'utf8',
      env: { ...process.env, PATH: `${folder}/bin:${process.env['PATH'] ?? ''}` },
    });
    return parse({ stdout, stderr, exitCode: status });
  };
  /** As the node wrote it, with the node's clock. */
  const record = (code: number, more = ''): void => {
    const file = join(ledger, 'exit');
    const nodeMs = Date.now() + skew * 1000;
    writeFileSync(file, `${code} ${nodeMs - 2000} ${nodeMs} ${more}\n`);
    utimesSync(file, nodeMs / 1000, nodeMs / 1000);
  };
  const older = (name: string, seconds: number): void => {
    const then = Date.now() / 1000 - seconds;
    utimesSync(join(ledger, name), then, then);
  };

  it('a bad end waits for the word of Slurm, and not for ever', () => {
    record(3);
    says('JobId=5 JobState=COMPLETING Reason=None ExitCode=0:0');
    expect(settle()).toEqual({ is: 'running' });
    older('exit.seen', 31);
    expect(settle()).toMatchObject({ is: 'over', exitCode: 3, condition: 'SCHEDULER_TERMINATED' });
  }, 60_000);

  it('the record of a run before a requeue is not the end of one that may run again', () => {
    record(143, 'TERM - - 0');
    says('JobId=5 JobState=RUNNING Reason=None Requeue=1 Restarts=1 ExitCode=0:0');
    settle();
    if (existsSync(join(ledger, 'exit.seen'))) older('exit.seen', 31);
    expect(settle()).toMatchObject({ is: 'over', exitCode: 143 }); // nothing more can come
    plan = { ...plan, repeatable: true };
    expect(settle()).toEqual({ is: 'running' });
    record(0, 'TERM - - 1');
    says('JobId=5 JobState=COMPLETED Reason=None Requeue=1 Restarts=1 ExitCode=0:0');
    expect(settle()).toMatchObject({ is: 'over', exitCode: 0 });
  });

  it('who is in no list is unknown first and lost later', () => {
    program('scontrol', 'echo "slurm_load_jobs error: Invalid job id specified"; exit 1');
    expect(settle()).toMatchObject({ is: 'unknown' });
    older('lost', 121);
    expect(settle()).toMatchObject({ is: 'over', exitCode: null });
  }, 60_000);

  const iso = (secondsAgo: number): string =>
    new Date(Date.now() + (skew - secondsAgo) * 1000).toISOString().slice(0, 19);
  /** slurmctld began so long ago, and does not know the job. */
  const began = (secondsAgo: number): void =>
    program(
      'scontrol',
      `[ "$2" = config ] && { echo "Configuration data as of ${iso(0)}"; echo "BOOT_TIME               = ${iso(secondsAgo)}"; exit 0; }
       echo "slurm_load_jobs error: Invalid job id specified"; exit 1`,
    );
  /** Accounting knows jobs by this number: seconds since each was submitted, and its state. */
  const accounts = (...jobs: [age: number, state: string][]): void =>
    program('sacct', jobs.map(([age, state]) => `echo '${iso(age)}|${state}'`).join('\n'));

  it('who never started is forgotten where slurmctld began after the job was handed to it, and only there', () => {
    writeFileSync(join(ledger, 'id'), '5\n');
    older('id', 60);
    began(50);
    expect(settle()).toMatchObject({ is: 'unknown', why: expect.stringContaining('began anew') });
    older('lost', 21);
    expect(settle()).toEqual({ is: 'forgotten' });
    began(70);
    expect(settle()).toMatchObject({
      is: 'unknown',
      why: expect.stringContaining('not know the job any more'),
    });
    began(50);
    mkdirSync(join(ledger, 'started.1'));
    older('lost', 21);
    expect(settle()).toMatchObject({
      is: 'unknown',
      why: expect.stringContaining('not know the job any more'),
    });
  }, 60_000);

  it('what accounting says of an earlier or a later job with the same number is not the end of a forgotten one', () => {
    for (const file of ['intent', 'id']) {
      writeFileSync(join(ledger, file), '5\n');
      older(file, 60);
    }
    writeFileSync(join(ledger, 'lost'), '');
    older('lost', 21);
    began(50);
    accounts([3600, 'CANCELLED by 7|0:0'], [40, 'FAILED|9:0']);
    expect(settle()).toEqual({ is: 'forgotten' });
    accounts([3600, 'FAILED|9:0'], [59, 'CANCELLED by 7|0:0'], [40, 'FAILED|9:0']);
    expect(settle()).toMatchObject({ is: 'over', condition: 'SCHEDULER_CANCELLED' });
  }, 60_000);

  it('what accounting says of an earlier job with the same number is not the end of one that Slurm no longer lists', () => {
    writeFileSync(join(ledger, 'id'), '5\n');
    older('id', 60);
    began(3000);
    accounts([3600, 'CANCELLED by 7|0:0']);
    expect(settle()).toMatchObject({ is: 'unknown' });
    accounts([3600, 'CANCELLED by 7|0:0'], [58, 'TIMEOUT|0:0']);
    expect(settle()).toMatchObject({ is: 'over', condition: 'SCHEDULER_TIMEOUT' });
  }, 60_000);

  it('the time it took is measured by one clock', () => {
    record(0);
    expect(settle()).toMatchObject({ is: 'over', exitCode: 0, elapsedMs: 2000 });
    expect(existsSync(join(ledger, 'now'))).toBe(false);
  });
});
