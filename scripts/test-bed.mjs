import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

import { root } from './prepare.mjs';

/** What stands, as `npm run testbed -- status` says it; nothing where the test bed cannot be asked. */
export function testBed() {
  const { status, stdout } = spawnSync(
    process.execPath,
    [join(root, 'test', 'testbed', 'main.mjs'), 'status'],
    { encoding: 'utf8', timeout: 60_000 },
  );
  try {
    return status === 0 ? JSON.parse(stdout) : {};
  } catch {
    return {};
  }
}
