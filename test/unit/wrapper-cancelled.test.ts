import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, expect, it } from 'vitest';

import { envFileOf, ledgerDir } from '../../domain/jobs/ledger.js';
import { processTable } from '../../schedulers/process-table.js';
import { aPlan } from '../support/a-plan.js';

const dir = mkdtempSync(join(tmpdir(), 'kilim-cancelled-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

it('keeps no values of the environment of a job that is cancelled between its launch and its start', () => {
  const paths = { rootDir: dir, execDir: dir, inputDir: dir, outputDir: dir };
  const plan = aPlan({ paths });
  mkdirSync(ledgerDir(plan), { recursive: true });
  writeFileSync(envFileOf(plan), 'A=secret\n');
  writeFileSync(join(ledgerDir(plan), 'cancelled'), '');
  const script = processTable.script(plan, { before: [], run: 'true', after: [] }, 'inst');
  const { status } = spawnSync('bash', ['-c', script], { env: { PATH: process.env['PATH'], HOME: dir } });
  expect([status, existsSync(envFileOf(plan))]).toEqual([143, false]);
});
