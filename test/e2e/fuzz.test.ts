import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, expect, it } from 'vitest';

import { aKilim, type Kilim } from '../support/kilim.js';
import { pythonWith } from '../support/python.js';

/** Enough calls to reach each operation; a full run is `KILIM_FUZZ_CALLS=20000 npm test -- test/e2e/fuzz.test.ts`. */
const CALLS = Number(process.env['KILIM_FUZZ_CALLS'] ?? 1_000);

const dir = mkdtempSync(join(tmpdir(), 'kilim-fuzz-'));
let kilim: Kilim;
beforeAll(async () => {
  const seedFile = join(dir, 'seed.json');
  const users = ['alice', 'bob'].map((username) => ({ username, password: username }));
  const nothing = { systems: [], apps: [], credentials: [], profiles: [] };
  writeFileSync(seedFile, JSON.stringify({ tenant: 'dev', users, ...nothing }), { mode: 0o600 });
  // so that no connection is made to a host that the fuzzer invents
  kilim = await aKilim({ seedFile, env: { KILIM_SKIP_CREDENTIAL_CHECK: 'true' } });
});
afterAll(async () => {
  await kilim.stop();
  rmSync(dir, { recursive: true, force: true });
});

interface Report {
  calls: number;
  faults: unknown[];
}

/** The folder in which the official client keeps the API documents that it is generated from. */
function documents(): string {
  const lib = join(pythonWith('tapipy', '25.4.0'), '../../lib');
  const [python = ''] = readdirSync(lib);
  return join(lib, python, 'site-packages/tapipy/resources');
}

it(
  'answers made-up calls of every official operation in its envelope, without a fault or the data of others',
  async () => {
    const script = new URL('../support/fuzz/fuzz.py', import.meta.url).pathname;
    const words = [script, kilim.url, documents(), String(CALLS)];
    const child = spawn(pythonWith('schemathesis', '4.32.5'), words, {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let said = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (said += text));
    await new Promise((resolve) => child.once('close', resolve));
    const report = JSON.parse(said) as Report;
    console.info(said.slice(0, 2_000));
    expect(report.faults).toEqual([]);
    expect(report.calls).toBeGreaterThan(CALLS * 0.8);
  },
  Math.max(300_000, CALLS * 150),
);
