import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { slurm } from '../../../schedulers/slurm.js';
import { aPlan } from '../../support/a-plan.js';

/* Orders to a Slurm job, and signals that Slurm sends to its script; run here. What Slurm itself does: test/integration. */

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'kilim-orders-'));
  mkdirSync(join(folder, 'bin'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const planHere = (more = {}) => {
  const paths = { rootDir: '/', execDir: folder, inputDir: folder, outputDir: folder };
  return aPlan({ jobType: 'BATCH', keeper: 'slurm', paths, ...more });
};
const environment = () => ({
  ...process.env,
  HOME: folder,
  PATH: `${folder}/bin:${process.env['PATH'] ?? ''}`,
});

describe('an order to a Slurm job', () => {
  /** `scontrol show` answers with the state, every order with the words and the code. */
  const ordered = (order: 'hold' | 'release', show: string, says = '', code = 0) => {
    const program = `#!/bin/bash\n[ "$1" = show ] && { ${show}; exit; }\necho ${JSON.stringify(says)} >&2; exit ${code}\n`;
    writeFileSync(join(folder, 'bin/scontrol'), program);
    chmodSync(join(folder, 'bin/scontrol'), 0o755);
    const { line, parse } = slurm[order](planHere(), '7', 'inst');
    const { status, stdout, stderr } = spawnSync('bash', ['--norc', '-c', line], { encoding: 'utf8', env: environment() });
    return () => parse({ stdout, stderr, exitCode: status });
  }; // prettier-ignore
  const state = (word: string): string => `echo "JobId=7 JobState=${word} Reason=None"`;
  const AWAY = 'Unable to contact slurm controller (connect failure)';
  const unanswered = expect.objectContaining({ code: 'SCHEDULER_UNAVAILABLE' }) as Error;

  it.each([
    ['hold', state('PENDING'), true, /held in the queue/],
    ['hold', state('RUNNING'), true, /suspended/],
    ['release', state('PENDING'), true, /released/],
    ['release', state('SUSPENDED'), true, /resumed/],
    [
      'hold',
      'echo "slurm_load_jobs error: Invalid job id specified" >&2; exit 1',
      false,
      /not known to Slurm/,
    ],
  ] as const)('%s: %s', (order, show, done, said) => {
    const answer = ordered(order, show)();
    expect([answer.done, answer.said]).toEqual([done, expect.stringMatching(said)]);
  });

  it.each([
    ['hold', `echo "${AWAY}" >&2; exit 1`, '', 0],
    ['release', `echo "${AWAY}" >&2; exit 1`, '', 0],
    ['release', state('PENDING'), AWAY, 1],
    ['release', state('SUSPENDED'), '', 124],
    ['hold', state('PENDING'), '', 124],
  ] as const)(
    'that nobody answers is none yet, and is given again: %s, %s, %s %i',
    (order, show, says, code) => {
      expect(ordered(order, show, says, code)).toThrow(unanswered);
    },
  );

  it('is refused in words where only operators may suspend', () => {
    const answer = ordered('hold', state('RUNNING'), 'Access/permission denied for job 7', 1)();
    expect(answer).toEqual({ done: false, said: expect.stringContaining('only operators') });
  });
});

describe('the script of a Slurm job', () => {
  const start = (run: string, options: string[] = []) => {
    const plan = planHere({ schedulerOptions: options.map((arg, i) => ({ name: `${i}`, arg })) });
    const script = join(folder, 'tapisjob.sh');
    writeFileSync(script, slurm.script(plan, { before: [], run, after: [] }, 'inst'), { mode: 0o755 });
    mkdirSync(join(folder, '.kilim', plan.uuid), { recursive: true });
    const child = spawn(script, { cwd: folder, env: { ...environment(), SLURM_JOB_ID: '7' }, stdio: ['pipe', 'ignore', 'ignore'] });
    return { child, record: join(folder, '.kilim', plan.uuid, 'exit') };
  }; // prettier-ignore
  const recorded = async (file: string): Promise<string> => {
    await vi.waitFor(() => expect(existsSync(file)).toBe(true), { timeout: 10_000 });
    return readFileSync(file, 'utf8').split(' ')[0] ?? '';
  };

  it.each(['USR1', 'USR2', 'HUP'] as const)(
    'hands %s on to the application, which may end well or go on',
    async (name) => {
      const works = `echo prepared\nbash -c 'trap "touch warned" ${name}; touch ready; for _ in {1..100}; do sleep 0.1; [ -e warned ] && exit 5; done'`;
      const { child, record } = start(works, [`--signal=B:${name}@60`]);
      await vi.waitFor(() => expect(existsSync(join(folder, 'ready'))).toBe(true), { timeout: 10_000 });
      child.kill(`SIG${name}`);
      expect(await recorded(record)).toBe('5');
    },
  );

  it('gives the application what --input names, and else nothing', async () => {
    const { child, record } = start('cat > got', ['--input=words.txt']);
    child.stdin.end('words of a file\n');
    expect(await recorded(record)).toBe('0');
    expect(readFileSync(join(folder, 'got'), 'utf8')).toBe('words of a file\n');
    rmSync(join(folder, '.kilim'), { recursive: true });
    const other = start('cat > got');
    other.child.stdin.end('words of a file\n');
    expect(await recorded(other.record)).toBe('0');
    expect(readFileSync(join(folder, 'got'), 'utf8')).toBe('');
  });
});
