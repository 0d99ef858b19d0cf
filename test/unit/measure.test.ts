import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
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

/** What the lines set, in a bash that waited for a busy child; `own` is the text of its /proc/self/cgroup. */
const measured = (own: string, env: Record<string, string> = {}): [string, string] => {
  writeFileSync(join(dir, 'own'), own);
  const busy = 'bash -c "for ((i = 0; i < 200000; i++)); do :; done" & wait $!';
  const lines = [`ledger='${dir}'`, busy, ...measureLines(dir, `'${join(dir, 'own')}'`), 'echo "$cpu $peak"'];
  const { stdout, stderr } = spawnSync('bash', ['-c', lines.join('\n')], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'], // given a socket, bash reads start-up files
    env: { PATH: process.env['PATH'], ...env },
  });
  expect(stderr).toBe('');
  const [cpu = '', peak = ''] = stdout.trim().split(' ');
  return [cpu, peak];
};

const aGroup = (path: string, file: string, bytes: string): void => {
  mkdirSync(join(dir, path), { recursive: true });
  writeFileSync(join(dir, path, file), `${bytes}\n`);
};

describe('what a wrapper measures', () => {
  it('is the processor time of children that it waited for', () => {
    const [cpu, peak] = measured('0::/user.slice/session-3.scope\n');
    expect(Number(cpu)).toBeGreaterThan(50);
    expect(peak).toBe('-');
  });

  it.each([
    ['v2', '0::/system.slice/slurmstepd.scope/job_42/step_batch/user/task_0\n', 'system.slice/slurmstepd.scope/job_42', 'memory.peak'],
    ['v1', '9:cpuset:/x\n4:memory:/slurm/uid_7/job_42/step_batch\n', 'memory/slurm/uid_7/job_42', 'memory.max_usage_in_bytes'],
  ])('is the highest memory of the whole Slurm job, by cgroup %s', (_version, own, path, file) => {
    aGroup(path, file, String(3 * 1024 ** 3));
    expect(measured(own, { SLURM_JOB_ID: '42' })[1]).toBe(String(3 * 1024 ** 2));
  }); // prettier-ignore

  it('is never the memory of another job, or of a session that others share', () => {
    aGroup('slurm/job_421', 'memory.peak', '1000000');
    aGroup('user.slice', 'memory.peak', '1000000');
    expect(measured('0::/slurm/job_421/step_0\n', { SLURM_JOB_ID: '42' })[1]).toBe('-');
    expect(measured('0::/user.slice\n')[1]).toBe('-');
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
