// `npm run check`: formatting, types, lint, layers, unused code, unit tests; each step with its time.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

import { prepare, root } from './prepare.mjs';

await prepare({ withEngine: false });
const bin = (name) => join(root, 'node_modules', '.bin', name);
const STEPS = [
  ['format', bin('prettier'), ['--check', '.', '--log-level', 'warn']],
  ['types', bin('tsc'), ['-p', '.']],
  ['lint', bin('eslint'), ['.']],
  [
    'layers',
    bin('depcruise'),
    [
      '--config',
      '.dependency-cruiser.cjs',
      'domain',
      'schemas',
      'runtimes',
      'schedulers',
      'hosts',
      'store',
      'activities',
      'workflows',
      'api',
      'worker',
      'launcher',
      'cli',
    ],
  ],
  ['unused', bin('knip'), []],
  ['unit tests', bin('vitest'), ['run', 'test/unit']],
];
let failed = false;
for (const [name, command, args] of STEPS) {
  const begin = performance.now();
  const { status } = spawnSync(command, args, { cwd: root, stdio: 'inherit' });
  process.stdout.write(
    `${status === 0 ? 'ok  ' : 'FAIL'} ${name} (${((performance.now() - begin) / 1000).toFixed(1)} s)\n`,
  );
  failed ||= status !== 0;
}
process.exit(failed ? 1 : 0);
