// `npm test [-- vitest's arguments]`: everything that this machine has the parts for; what was left out is named at the end.
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

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

/** They use no host that others use. */
const APART = [
  'e2e/demo',
  'e2e/fuzz',
  'e2e/operations',
  'e2e/outage',
  'e2e/production',
  'e2e/up',
  'integration/image',
].map((name) => `test/${name}.test.ts`);
const without = APART.map((file) => `--exclude=${file}`);
/** Tests wait more than they work, so they run beside each other; `test/support/order.ts` keeps apart what shares a host. */
const LANES = [
  ['--project=e2e', ...without],
  ['--project=integration', ...without],
  [...APART, 'test/workflow/', 'test/unit/'],
];

/** The contract suite and the tutorial are the busiest minutes: what needs no host waits until they are over. */
const HEAD_START_MS = 240_000;

/** @returns the exit code of vitest */
function runTests(bed, choice, reportFile) {
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${reportFile}`];
  const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs');
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [vitest, 'run', ...reporters, ...choice], {
      cwd: root,
      stdio: ['ignore', 'pipe', 'inherit'], // two terminals' worth of redrawing would be unreadable
      env: { ...process.env, KILIM_TESTBED: JSON.stringify(bed) },
    });
    child.stdout.pipe(process.stdout, { end: false });
    child.on('close', (code) => resolve(code ?? 1));
  });
}

function readReport(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return { numPassedTests: 0, numFailedTests: 0, numPendingTests: 0, testResults: [] };
  }
}

const sum = (reports, count) => reports.reduce((total, report) => total + report[count], 0);

const table = (title, rows) => {
  const width = Math.max(...rows.map(([name]) => name.length));
  process.stdout.write(
    `\n${title}\n${rows.map(([name, what]) => `  ${name.padEnd(width)}  ${what}\n`).join('')}`,
  );
};

await prepare();
const scratch = mkdtempSync(join(tmpdir(), 'kilim-test-report-'));
const bed = testBed();
const lanes = isChosen ? [process.argv.slice(2)] : LANES;
const files = lanes.map((_lane, i) => join(scratch, `report-${i}.json`));
const codes = await Promise.all(
  lanes.map(async (lane, i) => {
    if (i === 2) await sleep(HEAD_START_MS);
    return runTests(bed, lane, files[i]);
  }),
);
const reports = files.map(readReport);
rmSync(scratch, { recursive: true, force: true });

const missing = Object.entries(PARTS).filter(([part]) => bed.parts?.[part]?.state !== 'up');
const skipped = reports
  .flatMap(({ testResults }) => testResults)
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
const [passed, failed, pending] = ['numPassedTests', 'numFailedTests', 'numPendingTests'].map((count) =>
  sum(reports, count),
);
const closingLine = `${passed} passed, ${failed} failed, ${pending} skipped`;
const faults = isComplete
  ? [
      ...(missing.length > 0 ? ['a missing part is a failure'] : []),
      ...(skipped.length > 0 && !isChosen ? ['a skipped test is a failure, for every part is required'] : []),
    ]
  : [];
if (faults.length > 0) process.stdout.write(`\nWith CI=true ${faults.join(', and ')}.\n`);
process.stdout.write(`\n${closingLine}\n`);
if (process.env.KILIM_CLOSING_LINE) writeFileSync(process.env.KILIM_CLOSING_LINE, `${closingLine}\n`);
process.exit(codes.some((code) => code !== 0) || faults.length > 0 ? 1 : 0);
