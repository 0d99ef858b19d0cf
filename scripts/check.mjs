// `npm run check`: formatting, types, lint, layers, unused code, unit and workflow tests; each step with its time.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

import { prepare, root } from './prepare.mjs';
import { testBed } from './test-bed.mjs';

const ROOMS = [
  ...['domain', 'schemas', 'runtimes', 'schedulers', 'hosts', 'store', 'activities', 'workflows'],
  ...['api', 'worker', 'launcher', 'cli'],
];
const hasWorkflowTests = existsSync(join(root, 'test', 'workflow'));
const STEPS = [
  ['format', 'prettier', ['--check', '.', '--log-level', 'warn']],
  ['types', 'tsc', ['-p', '.']],
  ['lint', 'eslint', ['.', '--max-warnings', '0']],
  ['layers', 'depcruise', ['--config', '.dependency-cruiser.cjs', ...ROOMS]],
  ['unused', 'knip', []],
  [
    'fast tests',
    'vitest',
    ['run', '--project', 'unit', ...(hasWorkflowTests ? ['--project', 'workflow'] : [])],
  ],
];

await prepare({ withEngine: hasWorkflowTests });
process.env.KILIM_TESTBED ??= JSON.stringify(testBed());
const failed = STEPS.filter(([name, tool, args]) => {
  const begin = performance.now();
  const { status } = spawnSync(join(root, 'node_modules', '.bin', tool), args, {
    cwd: root,
    stdio: 'inherit',
  });
  const seconds = ((performance.now() - begin) / 1000).toFixed(1);
  process.stdout.write(`${status === 0 ? 'ok  ' : 'FAIL'} ${name} (${seconds} s)\n`);
  return status !== 0;
});
if (failed.length > 0) process.stdout.write(`\nFailed: ${failed.map(([name]) => name).join(', ')}\n`);
process.exit(failed.length > 0 ? 1 : 0);
