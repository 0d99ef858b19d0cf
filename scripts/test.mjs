// `npm test`: everything that this machine has the parts for; what was left out is named at the end.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

import { prepare, root } from './prepare.mjs';

await prepare();
const status = spawnSync(process.execPath, [join(root, 'test', 'testbed', 'main.mjs'), 'status'], {
  encoding: 'utf8',
});
const bed = status.status === 0 ? JSON.parse(status.stdout) : {};
process.env.KILIM_TESTBED = JSON.stringify(bed);

const PARTS = [
  ['vm-ssh', 'a real sshd for an ordinary user: SSH hosts'],
  ['store-ssh', 'a second sshd: archives on another host'],
  ['docker', 'Docker Engine: containers'],
  ['postgres', 'PostgreSQL: the store on it'],
];
const missing = PARTS.filter(([part]) => bed.parts?.[part]?.state !== 'up');
const tests = spawnSync(
  process.execPath,
  [join(root, 'node_modules', 'vitest', 'vitest.mjs'), 'run', ...process.argv.slice(2)],
  { cwd: root, stdio: 'inherit' },
);
if (missing.length > 0) {
  process.stdout.write('\nLeft out, because the part is not there (npm run testbed -- up):\n');
  for (const [part, what] of missing) process.stdout.write(`  ${part.padEnd(10)} ${what}\n`);
}
const isIncomplete = process.env.CI === 'true' && missing.length > 0;
if (isIncomplete) process.stdout.write('With CI=true a missing part is a failure.\n');
process.exit(tests.status !== 0 || isIncomplete ? 1 : 0);
