// `npm test [-- vitest's arguments]`: everything that this machine has the parts for; what was left out is named at the end.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { prepare, root } from './prepare.mjs';
import { testBed } from './test-bed.mjs';

const PARTS = {
  'vm-ssh': 'a real sshd for an ordinary user: SSH hosts',
  'store-ssh': 'a second sshd: archives on another host',
  docker: 'Docker Engine: containers',
  podman: 'Podman of an ordinary user: containers without a daemon',
  postgres: 'PostgreSQL: the store on it',
  'hpc-slurm': 'Slurm with accounting, Singularity: batch jobs',
  'hpc-noacct': 'Slurm without accounting',
};
const isComplete = process.env.CI === 'true';
/** With a choice of files or names, vitest counts the others as skipped. */
const isChosen = process.argv.length > 2;

function runTests(bed, reportFile) {
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${reportFile}`];
  const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs');
  return spawnSync(process.execPath, [vitest, 'run', ...reporters, ...process.argv.slice(2)], {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, KILIM_TESTBED: JSON.stringify(bed) },
  }).status;
}

function readReport(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return { numPassedTests: 0, numFailedTests: 0, numPendingTests: 0, testResults: [] };
  }
}

const table = (title, rows) => {
  const width = Math.max(...rows.map(([name]) => name.length));
  process.stdout.write(
    `\n${title}\n${rows.map(([name, what]) => `  ${name.padEnd(width)}  ${what}\n`).join('')}`,
  );
};

await prepare();
const scratch = mkdtempSync(join(tmpdir(), 'kilim-test-report-'));
const bed = testBed();
const status = runTests(bed, join(scratch, 'report.json'));
const report = readReport(join(scratch, 'report.json'));
rmSync(scratch, { recursive: true, force: true });

const missing = Object.entries(PARTS).filter(([part]) => bed.parts?.[part]?.state !== 'up');
const skipped = report.testResults
  .map(({ name, assertionResults }) => [
    name.replace(`${root}/`, ''),
    assertionResults.filter((test) => test.status !== 'passed' && test.status !== 'failed').length,
  ])
  .filter(([, count]) => count > 0);
if (missing.length > 0)
  table('Left out, because these parts are not there (root on Debian: npm run testbed -- up):', missing);
if (skipped.length > 0)
  table(
    'Tests that were skipped:',
    skipped.map(([name, count]) => [name, `${count}`]),
  );
const closingLine = `${report.numPassedTests} passed, ${report.numFailedTests} failed, ${report.numPendingTests} skipped`;
const faults = isComplete
  ? [
      ...(missing.length > 0 ? ['a missing part is a failure'] : []),
      ...(skipped.length > 0 && !isChosen ? ['a skipped test is a failure, for every part is required'] : []),
    ]
  : [];
if (faults.length > 0) process.stdout.write(`\nWith CI=true ${faults.join(', and ')}.\n`);
process.stdout.write(`\n${closingLine}\n`);
if (process.env.KILIM_CLOSING_LINE) writeFileSync(process.env.KILIM_CLOSING_LINE, `${closingLine}\n`);
process.exit(status !== 0 || faults.length > 0 ? 1 : 0);
