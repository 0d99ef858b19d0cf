import { expect, it } from 'vitest';

import { ownDirs } from '../../../activities/make-directories.js';
import { aPlan } from '../../support/a-plan.js';

it.each<[string, string, string[]]>([
  ['out.txt', 'out.txt', []],
  ['/out.txt', 'err.txt', []],
  ['logs/out.txt', 'logs/err.txt', ['/job/output/logs']],
  ['a b/c/out.txt', 'err.txt', ['/job/output/a b/c']],
])('makes the directories of the log files %s and %s', (stdoutFilename, stderrFilename, dirs) => {
  const plan = aPlan({ logConfig: { stdoutFilename, stderrFilename } });
  expect(ownDirs(plan)).toEqual(['/job', '/job/output', ...dirs]);
});
