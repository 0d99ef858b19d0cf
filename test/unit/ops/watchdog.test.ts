import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import ts from 'typescript';
import { afterAll, beforeAll, expect, it } from 'vitest';

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'kilim-watchdog-'));
  const source = readFileSync(new URL('../../../ops/watchdog.ts', import.meta.url), 'utf8');
  const compilerOptions = { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 };
  writeFileSync(join(dir, 'watchdog.mjs'), ts.transpileModule(source, { compilerOptions }).outputText);
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

/** A program of its own with a watchdog that looks every 100 ms and gives up at the fifth look in vain. */
async function run(work: string): Promise<{ code: number | null; signal: string | null; said: string }> {
  const file = join(dir, 'program.mjs');
  writeFileSync(
    file,
    `import { startWatchdog } from './watchdog.mjs';
    const watchdog = startWatchdog({ checkMs: 100, silentChecks: 5 });
    const busy = (ms) => { for (const end = Date.now() + ms; Date.now() < end; ); };
    ${work}`,
  );
  const child = spawn(process.execPath, [file], { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
  return { code, signal, said };
}

it('ends a program whose event loop is blocked, and says so', async () => {
  const { signal, said } = await run('setTimeout(() => busy(30_000), 300);');
  expect(signal).toBe('SIGKILL');
  expect((JSON.parse(said) as { msg: string }).msg).toMatch(/was blocked for .* s; the program ends itself/);
});

it('leaves a program alone that is busy for a while, and does not keep it from ending', async () => {
  const { code, said } = await run('setTimeout(() => busy(250), 100); setTimeout(() => {}, 1_200);');
  expect([code, said]).toEqual([0, '']);
});
