import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import type { JobPlan } from '../../domain/jobs/job-plan.js';
import { ledgerDir, scriptOf } from '../../domain/jobs/ledger.js';
import type { Keeper } from '../../domain/jobs/keeper.js';
import { processTable } from '../../schedulers/process-table.js';
import { aPlanIn } from '../support/a-plan.js';

/* What an application leaves in the background, and what is too much for one argument: by a real bash. */

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'kilim-left-'));
  mkdirSync(join(dir, 'job/output'), { recursive: true });
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

// of its own: a cancel in another test ends every process of its job
const uuid = '22222222-1111-4111-8111-111111111111-007';
const job = (more: Partial<JobPlan> = {}): JobPlan => aPlanIn(dir, { uuid, ...more });
const run = (line: string) =>
  spawnSync('bash', ['-c', line], {
    encoding: 'utf8',
    env: { PATH: process.env['PATH'], HOME: dir },
    maxBuffer: 2 ** 24,
  });

/** Launched, and over. */
async function done(plan: JobPlan, script: string) {
  mkdirSync(ledgerDir(plan), { recursive: true });
  writeFileSync(scriptOf(plan), processTable.script(plan, { before: [], run: script, after: [] }, 'inst'));
  expect(run(processTable.launch(plan, 'inst').line).stdout).toContain('launched');
  const { line, parse } = processTable.settle(plan, '', 'inst');
  return vi.waitFor(
    () => {
      const { stdout, stderr, status } = run(line);
      const state = parse({ stdout, stderr, exitCode: status });
      if (state.is !== 'over') throw new Error(`the job is ${state.is}`);
      return state;
    },
    { timeout: 20_000, interval: 50 },
  );
}
const lives = (pidFile: string): boolean => {
  const pid = readFileSync(join(dir, 'job/output', pidFile), 'utf8').trim();
  const state = run(`ps -o stat= -p ${pid}`).stdout.trim();
  return state !== '' && !state.startsWith('Z');
};

describe('a background child', () => {
  it('is ended when the application ends, and counted', async () => {
    const state = await done(job(), 'sleep 300 & echo $! > output/pid; exit 4');
    expect(state).toMatchObject({ exitCode: 4, ended: 1 });
    expect(lives('pid')).toBe(false);
  });
});

describe('a background child', () => {
  it('that does not listen to TERM is killed', async () => {
    const begin = Date.now();
    const state = await done(job(), `bash -c 'trap "" TERM; echo $$ > output/pid; for i in {1..100}; do sleep 1; done' &\nuntil [ -s output/pid ]; do sleep 0.1; done`);
    expect(state.ended).toBeGreaterThan(0);
    expect(lives('pid')).toBe(false);
    expect(Date.now() - begin).toBeLessThan(12_000);
  }, 30_000); // prettier-ignore

  it('that ends by itself in a moment is no news, nor is an application without one', async () => {
    expect(await done(job(), 'sleep 0.1 &')).not.toHaveProperty('ended');
  });

  it('ends before the end is told: nothing is written afterwards', async () => {
    await done(job(), '(while :; do echo x >> output/log; sleep 0.02; done) &\nsleep 0.2');
    const { size } = statSync(join(dir, 'job/output/log'));
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(statSync(join(dir, 'job/output/log')).size).toBe(size);
  });

  it.each<Keeper>(['instance', 'docker'])('of the keeper %s is left to it', async (keeper) => {
    const state = await done(job({ keeper }), 'sleep 8 & echo $! > output/pid');
    expect(state).not.toHaveProperty('ended');
    expect(lives('pid')).toBe(true);
    run(`kill ${readFileSync(join(dir, 'job/output/pid'), 'utf8')}`);
  });
});

describe('a run that is no argument of a shell', () => {
  const args = (count: number, length: number): string =>
    Array.from({ length: count }, (_, i) => `'${String(i).padStart(length, '0')}'`).join(' ');

  it('hands 2,200 arguments of 61 characters to the application', async () => {
    const script = `bash -c 'echo "$#" "\${!#}" > output/got; cat > output/read; ls /proc/$$/fd > output/fds; exit 9' x ${args(2_200, 61)}`;
    expect(await done(job(), script)).toMatchObject({ exitCode: 9 });
    const got = (name: string): string => readFileSync(join(dir, 'job/output', name), 'utf8');
    expect(got('got')).toBe(`2200 ${'2199'.padStart(61, '0')}\n`);
    expect(got('read')).toBe('');
    expect(got('fds').split('\n').filter((fd) => fd === '3')).toEqual([]);
  }); // prettier-ignore

  it('hands on 1.5 MiB', async () => {
    const script = `bash -c 'echo "$#" > output/got' x ${args(12, 131_000)}`;
    expect(await done(job(), script)).toMatchObject({ exitCode: 0 });
    expect(readFileSync(join(dir, 'job/output/got'), 'utf8')).toBe('12\n');
  });

  it.each([
    ['a slip in its words', "echo 'unbalanced", 1],
    ['its own number, which a signal ends', 'kill -9 $$', 137],
    ['the name of the mark', '# The run:\nexit 5', 5],
  ])('keeps %s from the wrapper', async (_words, script, exitCode) => {
    const state = await done(job(), `: ${args(1_000, 200)}\n${script}`);
    expect(state.exitCode === exitCode || (exitCode === 1 && state.exitCode === 2)).toBe(true);
  });

  it('says that the host refuses what is too much for it', async () => {
    const state = await done(job(), `bash -c : x ${args(17, 131_000)}`);
    expect(state).toMatchObject({ exitCode: 126 });
    expect(readFileSync(join(ledgerDir(job()), 'stdout'), 'utf8')).toMatch(/Argument list too long/);
  });
});
