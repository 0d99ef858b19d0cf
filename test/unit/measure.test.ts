import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { usageOf, usageRecord } from '../../domain/jobs/usage.js';
import { measureLines } from '../../schedulers/measure.js';
import { parseEvent, parseStates } from '../../schedulers/ledger-states.js';

const UUID = '11111111-1111-4111-8111-111111111111-007';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'kilim-measure-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const ALONE = { isMpi: false, prefix: '' };

/** What the lines set, in a bash that waited for a busy child; `own` is the text of its /proc/self/cgroup. */
const measured = (own: string, env: Record<string, string> = {}, plan = ALONE): [string, string] => {
  writeFileSync(join(dir, 'own'), own);
  const busy = 'bash -c "for ((i = 0; i < 40000; i++)); do :; done" & wait $!';
  const lines = [
    `ledger=\${LEDGER:-'${dir}'} by=$BY begin=0; now() { echo "\${RAN:-5000}"; }`,
    busy,
    ...measureLines(plan, dir, `'${join(dir, 'own')}'`),
    'echo "$cpu $peak"',
  ];
  const { stdout, stderr } = spawnSync('bash', ['-c', lines.join('\n')], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'], // given a socket, bash reads start-up files
    env: { PATH: `${dir}/bin:${process.env['PATH'] ?? ''}`, ...env },
  });
  expect(stderr).toBe('');
  const [cpu = '', peak = ''] = stdout.trim().split(' ');
  return [cpu, peak];
};

const aGroup = (path: string, file: string, text: string): void => {
  mkdirSync(join(dir, path), { recursive: true });
  writeFileSync(join(dir, path, file), `${text}\n`);
};

describe('what a wrapper measures', () => {
  it('is the processor time of children that it waited for', () => {
    const [cpu, peak] = measured('0::/user.slice/session-3.scope\n');
    expect(Number(cpu)).toBeGreaterThan(10);
    expect(peak).toBe('-');
  });

  const V2 = 'system.slice/slurmstepd.scope/job_42';
  it.each([
    ['v2', `0::/${V2}/step_batch/user/task_0\n`, [[V2, 'memory.peak'], [V2, 'cpu.stat', 'usage_usec 7000000\nuser_usec 1']]],
    ['v1', '9:cpuset:/x\n4:memory:/slurm/uid_7/job_42/step_batch\n3:cpu,cpuacct:/slurm/uid_7/job_42/step_batch\n0::/system.slice\n',
      [['memory/slurm/uid_7/job_42', 'memory.max_usage_in_bytes'], ['cpuacct/slurm/uid_7/job_42', 'cpuacct.usage', '7000000000']]],
  ])('is what all steps of the Slurm job used on its node, by cgroup %s', (_version, own, files) => {
    for (const [path = '', file = '', text = String(3 * 1024 ** 3)] of files) aGroup(path, file, text);
    expect(measured(own, { SLURM_JOB_ID: '42', SLURM_NTASKS: '2' })).toEqual(['7000', String(3 * 1024 ** 2)]);
    // those on other nodes are not in it
    const [cpu, peak] = measured(own, { SLURM_JOB_ID: '42', SLURM_NTASKS: '2', SLURM_JOB_NUM_NODES: '2' });
    expect([cpu, peak]).toEqual(['-', String(3 * 1024 ** 2)]);
  }); // prettier-ignore

  it('is never that of another job, or of a session that others share', () => {
    for (const group of ['slurm/job_421', 'user.slice']) {
      aGroup(group, 'memory.peak', '1000000');
      aGroup(group, 'cpu.stat', 'usage_usec 700000000');
    }
    for (const [cpu, peak] of [
      measured('0::/slurm/job_421/step_0\n', { SLURM_JOB_ID: '42' }),
      measured('0::/user.slice\n'),
    ]) {
      expect(Number(cpu)).toBeLessThan(100_000);
      expect(peak).toBe('-');
    }
  });
});

describe('the processor time of steps that srun starts, which are no children of the wrapper', () => {
  const SLURM = { SLURM_JOB_ID: '42', SLURM_JOB_NUM_NODES: '1' };
  const TASKS = { ...SLURM, SLURM_NTASKS: '2' };
  /** A `sacct` that writes down that it was asked, and says this; the first time perhaps something else. */
  const accounting = (rows: string[], { code = 0, first = rows } = {}): void => {
    const says = (all: string[]): string => ['cat << end', ...all, 'end'].join('\n');
    const asked = `'${join(dir, 'asked')}'`;
    const text = `#!/bin/sh\nif [ -e ${asked} ]; then ${says(rows)}\nelse ${says(first)}\nfi\n: > ${asked}; exit ${code}`;
    aGroup('bin', 'sacct', text);
    chmodSync(join(dir, 'bin/sacct'), 0o755);
  };
  const STEPS = ['42|RUNNING|00:00:00', '42.batch|RUNNING|00:00:00', '42.extern|RUNNING|00:00:00'];

  it.each([
    ['an MPI job', { isMpi: true, prefix: 'mpirun -n 2' }, SLURM],
    ['a job with srun as its prefix', { isMpi: false, prefix: '/usr/bin/srun -n 1' }, SLURM],
    ['a job on no cluster with srun as its prefix', { isMpi: false, prefix: 'srun -n 1' }, {}],
    ['a job of several tasks', ALONE, TASKS],
    ['an application that may have left its work to steps', ALONE, { ...SLURM, RAN: '3600000' }],
    ['a job of several nodes', ALONE, { ...TASKS, SLURM_JOB_NUM_NODES: '2' }],
  ])('is unknown without accounting: %s', (_what, plan, env) => {
    accounting(STEPS, { code: 1 });
    expect(measured('', env, plan)[0]).toBe('-');
  });

  it('of an MPI job that Slurm does not keep is that of its children', () => {
    accounting(STEPS);
    const [cpu] = measured('', {}, { isMpi: true, prefix: 'mpirun -n 2' });
    expect(Number(cpu)).toBeGreaterThan(10);
    expect(existsSync(join(dir, 'asked'))).toBe(false);
  });

  it('is unknown, too, where its own cannot be written down', () => {
    accounting([...STEPS, '42.0|COMPLETED|00:02.500']);
    expect(measured('', { ...SLURM, LEDGER: '/nonexistent' })[0]).toBe('-');
    expect(measured('', { ...TASKS, LEDGER: '/nonexistent' })[0]).toBe('-');
  });

  it.each([
    ['00:02.500', 2_500],
    ['00:00:08', 8_000],
    ['03:04:05', 11_045_000],
    ['2-03:04:09', 183_849_000],
  ])('is taken from accounting (%s), together with its own', (used, ms) => {
    accounting([...STEPS, `42.0|COMPLETED|${used}`, '42.1|FAILED|00:01.000']);
    const cpu = Number(measured('', TASKS)[0]);
    expect(cpu).toBeGreaterThan(ms + 1_010);
    expect(cpu).toBeLessThan(ms + 20_000);
  });

  it('is waited for while accounting writes it down', () => {
    accounting([...STEPS, '42.0|COMPLETED|00:02.500'], { first: [...STEPS, '42.0|RUNNING|00:00:00'] });
    expect(Number(measured('', TASKS)[0])).toBeGreaterThan(2_510);
  });

  it('is its own where it might have started some and did not', () => {
    accounting(STEPS);
    for (const env of [TASKS, { ...SLURM, RAN: '3600000' }])
      expect(Number(measured('', env)[0])).toBeGreaterThan(10);
    // on other nodes something else may have been
    expect(measured('', { ...TASKS, SLURM_JOB_NUM_NODES: '2' })[0]).toBe('-');
  });

  it.each([
    ['does not know the job yet', ['42|RUNNING|00:00:00']],
    ['has a step that runs', [...STEPS, '42.0|COMPLETED|00:02.500', '42.1|RUNNING|00:00:00']],
    ['measured nothing', [...STEPS, '42.0|COMPLETED|00:00:00']],
    ['says something else', [...STEPS, '42.0|COMPLETED|a while', '42.1|COMPLETED|00:02.500']],
  ])('is unknown where accounting %s', (_why, rows) => {
    accounting(rows);
    expect(measured('', TASKS)[0]).toBe('-');
  });

  it('is not asked for where the wrapper knows, or must hurry because the job is being ended', () => {
    accounting([...STEPS, '42.0|COMPLETED|00:02.500']);
    measured('', { ...SLURM, SLURM_NTASKS: '1' });
    expect(measured('', { ...TASKS, BY: 'TERM' })[0]).toBe('-');
    aGroup('slurm/job_42', 'cpu.stat', 'usage_usec 7000000');
    expect(measured('0::/slurm/job_42/step_batch\n', TASKS)[0]).toBe('7000');
    expect(existsSync(join(dir, 'asked'))).toBe(false);
  });
});

describe('the words of a wrapper', () => {
  it('reach the state by its event and by a look', () => {
    const usage = { elapsedMs: 2_000, cpuMs: 1_500, peakMemoryKB: 4_096 };
    expect(parseEvent(`${UUID} 1 END 0 1790000000000 2000 1500 4096`)).toMatchObject({ exitCode: 0, usage });
    const reply = { stdout: `${UUID} over 0 1000 3000 1500 4096\n`, stderr: '', exitCode: 0 };
    expect(parseStates(reply)[UUID]).toMatchObject({ exitCode: 0, elapsedMs: 2_000, usage });
  });

  it('of an earlier wrapper are understood, and say nothing of use', () => {
    expect(parseEvent(`${UUID} 1 END 3 1790000000000`)).toMatchObject({ exitCode: 3 });
    const reply = { stdout: `${UUID} over 3 1000 3000  \n`, stderr: '', exitCode: 0 };
    expect(parseStates(reply)[UUID]).not.toHaveProperty('usage');
  });

  it.each(['-', '1e5', '-4'])('that are no number (%s) are not known', (word) =>
    expect(usageOf(5, word, word)).toEqual({ elapsedMs: 5, cpuMs: null, peakMemoryKB: null }),
  );

  it('are told to clients in seconds and MB', () => {
    expect(usageRecord({ elapsedMs: 61_234, cpuMs: 59_001, peakMemoryKB: 3_000_001 }, 2)).toEqual({
      elapsedSeconds: 61.234,
      cpuSeconds: 59.001,
      peakMemoryMB: 2930,
      nodes: 2,
    });
  });
});
