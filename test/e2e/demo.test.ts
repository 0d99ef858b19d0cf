import { spawn, spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';

import { expect, it } from 'vitest';

const DEMO = fileURLToPath(new URL('../../dist/launcher/demo.js', import.meta.url));
const homes = (): string[] => readdirSync(tmpdir()).filter((name) => name.startsWith('kilim-demo-'));
const processesBelow = (home: string): string[] =>
  spawnSync('ps', ['-eo', 'pid=,args='], { encoding: 'utf8' })
    .stdout.split('\n')
    .filter((line) => line.includes(home));

const ORDER = [
  'PENDING',
  'PROCESSING_INPUTS',
  'STAGING_INPUTS',
  'STAGING_JOB',
  'SUBMITTING_JOB',
  'QUEUED',
  'RUNNING',
  'ARCHIVING',
  'FINISHED',
];

it('the demo shows a job from submission to archived outputs, and leaves nothing behind', async () => {
  const child = spawn(process.execPath, [DEMO], {
    // settings of an installation of one's own are none of the demo's business
    env: { ...process.env, DATABASE_URL: 'postgres://nowhere/at-all', KILIM_HOME: '/nowhere' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (said += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
  const exitCode = await new Promise<number | null>((resolve) => child.once('close', resolve));
  expect(exitCode, said).toBe(0);

  const statuses = [...said.matchAll(/^ {2}([A-Z_]+) +\d+ ms$/gm)].map(([, status]) => status);
  expect(statuses).toEqual(ORDER);
  expect(said).toMatch(/^star \(score = 0\.\d+\)$/m);
  expect(said).toContain('tapisjob.out (');

  const home = /kilim-demo-\w+/.exec(said)?.[0] ?? 'no home was named';
  expect(homes()).not.toContain(home);
  expect(processesBelow(home)).toEqual([]);
});
