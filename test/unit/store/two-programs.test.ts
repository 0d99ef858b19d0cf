import { spawn } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import ts from 'typescript';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { aPlanned, DATABASES, listedJobs } from './a-store.js';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const JOBS = 40;
const LIMIT = 7;

/** What each program does: adds jobs, asks for places, writes statuses, looks at a host. */
const PROGRAM = `
import { openStore } from './store/open-store.js';
const { url, key, jobs, limit } = JSON.parse(process.argv[2]);
const store = await openStore({ url, keys: [Buffer.from(key, 'hex')], mayMigrate: true });
const admitted = [];
for (const [i, planned] of jobs.entries()) {
  const { uuid } = await store.jobs.add(planned, '{}', { key: 'once ' + i, caller: 'alice', bodyHash: String(i) });
  if ((await store.jobs.reserve(uuid, [{ key: 'all', limit }])) === null) admitted.push(uuid);
  await store.jobs.record({ uuid, rev: 1, status: 'PROCESSING_INPUTS' });
  await store.watch.saveSnapshot('watch', { [uuid]: { is: 'running' } }, new Date().toISOString());
  await new Promise((resolve) => setImmediate(resolve));
}
await store.close();
process.stdout.write(JSON.stringify(admitted));
`;

/** Real programs beside each other: two stores in one would wait for each other without end. */
describe.each(DATABASES)('two programs on one store: $name', ({ make }) => {
  const folder = mkdtempSync(join(tmpdir(), 'kilim-two-programs-'));
  beforeAll(() => {
    for (const room of ['domain', 'store']) translate(room, folder);
    symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
    writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
    writeFileSync(join(folder, 'program.js'), PROGRAM);
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('write at once, from the first migration on, and lose nothing', async () => {
    const place = await make();
    const programs = Array.from({ length: 3 }, () => {
      const jobs = Array.from({ length: JOBS }, () => aPlanned());
      return run(folder, { url: place.url, key: place.key.toString('hex'), jobs, limit: LIMIT });
    });
    const admitted = (await Promise.all(programs)).flatMap((text) => JSON.parse(text) as string[]);

    const store = await place.open();
    // all three used the same idempotency keys: each job was added once
    const jobs = await listedJobs(store, { owner: 'alice' });
    expect(jobs).toHaveLength(JOBS);
    expect(jobs.every(({ status, rev }) => status === 'PROCESSING_INPUTS' && rev === 1)).toBe(true);
    expect(new Set(admitted).size).toBe(LIMIT);
    for (const { uuid } of jobs) expect(await store.jobs.events(uuid, -1, 0)).toHaveLength(2);
    await store.close();
    await place.remove();
  }, 60_000);
});

/** A room as JavaScript, without its types. */
function translate(room: string, folder: string): void {
  for (const file of readdirSync(join(ROOT, room), { recursive: true, encoding: 'utf8' })) {
    if (!file.endsWith('.ts')) continue;
    const { outputText } = ts.transpileModule(readFileSync(join(ROOT, room, file), 'utf8'), {
      compilerOptions: {
        module: ts.ModuleKind.ESNext,
        target: ts.ScriptTarget.ES2022,
        verbatimModuleSyntax: true,
      },
    });
    const to = join(folder, room, file.replace(/\.ts$/, '.js'));
    mkdirSync(dirname(to), { recursive: true });
    writeFileSync(to, outputText);
  }
}

const run = (folder: string, input: unknown): Promise<string> =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [join(folder, 'program.js'), JSON.stringify(input)]);
    let [said, complaint] = ['', ''];
    child.stdout.on('data', (data: Buffer) => (said += data.toString()));
    child.stderr.on('data', (data: Buffer) => (complaint += data.toString()));
    child.on('error', reject);
    child.on('close', (code) =>
      code === 0 ? resolve(said) : reject(new Error(complaint || `exit ${code}`)),
    );
  });
