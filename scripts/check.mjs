// `npm run check [-- --no-tests]`: formatting, types, lint, layers, unused code, unit and workflow tests; each step with
// its time. `--no-tests` is for whoever runs `npm test` as well, which has the same tests.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

import { prepare, ROOMS, root } from './prepare.mjs';
import { testBed } from './test-bed.mjs';

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

const withTests = !process.argv.includes('--no-tests');
await prepare({ withEngine: withTests && hasWorkflowTests });
if (withTests) process.env.KILIM_TESTBED ??= JSON.stringify(testBed());
const failed = STEPS.filter(([name]) => withTests || name !== 'fast tests').filter(([name, tool, args]) => {
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
