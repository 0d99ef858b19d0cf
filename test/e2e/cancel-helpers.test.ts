import { execFileSync } from 'node:child_process';
import { closeSync, openSync, rmSync, ftruncateSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';

import { aKilim, type Kilim } from '../support/kilim.js';
import { part } from '../support/testbed.js';

/* What works for a job on its hosts besides the job itself carries no tag; a cancel ends it all the same. */

const vm = part('vm-ssh');
const store = part('store-ssh');
const BIG = `never-whole-${process.pid}.bin`;

/** Processes of this machine, on which the hosts are, that have a file or a folder of that name open. */
const at = (name: string): string =>
  execFileSync(
    'bash',
    ['-c', `find /proc/[0-9]*/fd /proc/[0-9]*/cwd -lname '*${name}*' 2> /dev/null || true`],
    {
      encoding: 'utf8',
    },
  );

describe.runIf(vm && store && process.getuid?.() === 0)('a cancel while files travel', () => {
  let kilim: Kilim;
  let endless: Server;
  const big = join(store?.home ?? '/nonexistent', BIG);
  beforeAll(async () => {
    kilim = await aKilim({ env: { KILIM_ALLOW_PRIVATE_FETCH: 'true' } });
    endless = createServer((_request, response) => void response.write('begins, and goes on for ever\n'));
    await new Promise<void>((resolve) => endless.listen(0, '127.0.0.1', resolve));
    // takes no room, and minutes to read
    const file = openSync(big, 'w', 0o644);
    ftruncateSync(file, 50 * 2 ** 30);
    closeSync(file);
  });
  afterAll(async () => {
    endless.closeAllConnections();
    endless.close();
    rmSync(big, { force: true });
    await kilim.stop();
  });

  it.each([
    [
      'STAGING_INPUTS',
      'an http input',
      (): string => `http://127.0.0.1:${(endless.address() as AddressInfo).port}/in`,
      'true',
    ],
    ['STAGING_INPUTS', 'a big file of another host', (): string => `tapis://store/${BIG}`, 'true'],
    ['ARCHIVING', 'a big output', (): null => null, 'truncate -s 50G output/big.bin'],
  ] as const)(
    'in %s, with %s under way, leaves no process of it',
    async (phase, _words, source, script) => {
      const sourceUrl = source();
      const uuid = await kilim.submit({
        appId: 'zip-app',
        execSystemId: 'vm',
        archiveSystemId: 'store',
        ...(sourceUrl ? { fileInputs: [{ name: 'in', sourceUrl, targetPath: 'in.bin' }] } : {}),
        parameterSet: {
          appArgs: [{ arg: `'eval "$SCRIPT"'` }],
          envVariables: [{ key: 'SCRIPT', value: script }],
        },
      });
      await kilim.until(uuid, phase, 60);
      await vi.waitFor(() => expect(at(uuid) + at(BIG)).not.toBe(''), { timeout: 20_000, interval: 50 });

      await kilim.call('POST', `/v3/jobs/${uuid}/cancel`);
      await kilim.until(uuid, 'CANCELLED', 60);
      await vi.waitFor(() => expect(at(uuid) + at(BIG)).toBe(''), { timeout: 5_000, interval: 200 });
    },
    120_000,
  );
});
