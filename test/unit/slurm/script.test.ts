import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { slurm } from '../../../schedulers/slurm.js';
import { aPlan } from '../../support/a-plan.js';

/* What Slurm sends to a job's script, and what it gives it to read; run here. What Slurm itself does: test/integration. */

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'kilim-script-'));
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

  it('takes the word of the application, and keeps the code that it ended with', async () => {
    const { child, record } = start('echo 5 > tapisjob.exitcode');
    child.stdin.end();
    expect(await recorded(record)).toBe('5');
    expect(readFileSync(record, 'utf8')).toMatch(/ 0 - 0\n/);
  });
});
