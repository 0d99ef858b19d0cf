import { spawn, spawnSync } from 'node:child_process';
import {
  appendFileSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { startOf } from '../../../launcher/home-lock.js';
import { lastWord, supervise, turnOver, type Supervised } from '../../../launcher/supervise.js';

let dir: string;
let running: Supervised[] = [];
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'kilim-supervise-'));
});
afterEach(async () => {
  await Promise.all(running.map((child) => child.stop(2_000)));
  running = [];
  rmSync(dir, { recursive: true, force: true });
});

const stub = (code: string, args: string[] = []) => {
  const file = join(dir, 'stub.mjs');
  writeFileSync(
    file,
    `import { appendFileSync } from 'node:fs';\nappendFileSync('${dir}/pids', process.pid + '\\n');\n${code}`,
  );
  return {
    name: 'stub',
    command: process.execPath,
    args: [file, ...args],
    env: process.env,
    logFile: join(dir, 'stub.log'),
  };
};
const start = (code: string, say: (text: string) => void = () => undefined): Supervised => {
  const child = supervise(stub(code), { say });
  running.push(child);
  return child;
};
const pids = (): number[] => readFileSync(join(dir, 'pids'), 'utf8').trim().split('\n').map(Number);
const isAlive = (pid: number): boolean => startOf(pid) !== ''; // one that only waits for its reaper is dead
const until = (isSo: () => boolean) => vi.waitUntil(isSo, { timeout: 10_000, interval: 25 });
const FOREVER = 'setInterval(() => {}, 1000);';

describe('a supervised program', () => {
  it('writes to its log, and ends with SIGTERM', async () => {
    const child = start(
      `process.on('SIGTERM', () => { console.log('drained'); process.exit(0); });${FOREVER}console.log('here');`,
    );
    await until(() => readFileSync(join(dir, 'stub.log'), 'utf8').includes('here'));
    await child.stop(5_000);
    expect(readFileSync(join(dir, 'stub.log'), 'utf8')).toBe('here\ndrained\n');
    expect(pids().map(isAlive)).toEqual([false]);
  });

  it('is started again when it was killed', async () => {
    const said: string[] = [];
    start(FOREVER, (text) => said.push(text));
    await until(() => spawnSync('test', ['-s', join(dir, 'pids')]).status === 0);
    process.kill(pids()[0] ?? 0, 'SIGKILL');
    await until(() => pids().length === 2);
    expect(said[0]).toMatch(/^stub ended \(137\); it starts again in 200 ms/);
    expect(pids().map(isAlive)).toEqual([false, true]);
  });

  it('is killed and started again when it no longer answers, but not while it has never answered', async () => {
    const said: string[] = [];
    let isServing = false;
    const program = { ...stub(FOREVER), answers: () => Promise.resolve(isServing) };
    running.push(supervise(program, { say: (text) => said.push(text), checkMs: 20 }));
    await until(() => spawnSync('test', ['-s', join(dir, 'pids')]).status === 0);
    await sleep(400);
    expect(pids()).toHaveLength(1);
    isServing = true;
    await sleep(100);
    process.kill(pids()[0] ?? 0, 'SIGSTOP');
    isServing = false;
    await until(() => pids().length === 2);
    expect(said[0]).toMatch(/^stub has not answered for .* s and is killed/);
    expect(pids().map(isAlive)).toEqual([false, true]);
    await sleep(300);
    expect(pids()).toHaveLength(2);
  });

  it('does not outlive its guard', async () => {
    const child = start(FOREVER);
    await until(() => spawnSync('test', ['-s', join(dir, 'pids')]).status === 0);
    const [first = 0] = pids();
    process.kill(child.pid() ?? 0, 'SIGKILL');
    await until(() => pids().length === 2);
    await until(() => !isAlive(first));
  });

  it('is killed when it does not heed SIGTERM', async () => {
    const child = start(`process.on('SIGTERM', () => {});${FOREVER}`);
    await until(() => spawnSync('test', ['-s', join(dir, 'pids')]).status === 0);
    await sleep(100); // its handler
    await child.stop(300);
    await until(() => !pids().some(isAlive));
  });

  it('makes files that are for its owner only', async () => {
    start(`appendFileSync('${dir}/secret', 'x');${FOREVER}`);
    await until(() => spawnSync('test', ['-s', join(dir, 'secret')]).status === 0);
    expect(spawnSync('stat', ['-c', '%a', join(dir, 'secret')], { encoding: 'utf8' }).stdout.trim()).toBe(
      '600',
    );
  });

  it('fails its start with its own last word after three tries', async () => {
    const child = start(`console.error('no database here'); process.exit(3);`);
    await expect(child.failsToStart).rejects.toThrow('stub does not start: no database here');
    expect(pids()).toHaveLength(3);
  });

  it('fails its start at once where its settings are wrong', async () => {
    const child = start(`console.error('Kilim cannot start: KILIM_PORT is no number.'); process.exit(1);`);
    await expect(child.failsToStart).rejects.toThrow('Kilim cannot start: KILIM_PORT is no number.');
    expect(pids()).toHaveLength(1);
  });

  it('runs without a log where none can be made', async () => {
    const child = supervise(
      { ...stub(FOREVER), logFile: join(dir, 'nowhere', 'stub.log') },
      { say: () => undefined },
    );
    running.push(child);
    await until(() => spawnSync('test', ['-s', join(dir, 'pids')]).status === 0);
    expect(pids().map(isAlive)).toEqual([true]);
  });

  it('says that it cannot be run at all, and can be stopped all the same', async () => {
    const child = supervise({ ...stub(FOREVER), env: { PATH: '/nowhere' } }, { say: () => undefined });
    running.push(child);
    await expect(child.failsToStart).rejects.toThrow('stub cannot be started: ');
    await child.stop(100);
  });

  it('ends with a supervisor that was killed', async () => {
    const { command, args, logFile } = stub(FOREVER);
    const module = new URL('../../../launcher/supervise.ts', import.meta.url).pathname;
    const parent = join(dir, 'parent.mjs');
    // Node 20 loads no TypeScript: the supervisor is compiled for this one file
    const compiled = join(dir, 'supervise.mjs');
    const { default: ts } = await import('typescript');
    writeFileSync(
      compiled,
      ts.transpileModule(readFileSync(module, 'utf8'), {
        compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 },
      }).outputText,
    );
    writeFileSync(
      parent,
      `import { supervise } from '${compiled}';\nsupervise(${JSON.stringify({ name: 'stub', command, args, logFile, env: { PATH: process.env['PATH'] } })}, { say() {} });setInterval(() => {}, 1000);`,
    );
    const supervisor = spawn(process.execPath, [parent], { stdio: 'inherit' });
    await until(() => spawnSync('test', ['-s', join(dir, 'pids')]).status === 0);
    const [pid = 0] = pids();
    expect(isAlive(pid)).toBe(true);
    supervisor.kill('SIGKILL');
    await until(() => !isAlive(pid));
  });
});

describe('lastWord', () => {
  it.each([
    ['{"level":30,"msg":"first"}\nplain sentence\n', 'plain sentence'],
    ['{"level":50,"msg":"it broke","err":{"message":"no disk"}}\n', 'it broke: no disk'],
    ['', 'it said nothing'],
  ])('of %j', (text, word) => {
    writeFileSync(join(dir, 'a.log'), text);
    expect(lastWord(join(dir, 'a.log'))).toBe(word);
  });
});

describe('the last word of a program', () => {
  it('is read from a log of any size', () => {
    const log = join(dir, 'long.log');
    writeFileSync(log, 'first\n');
    truncateSync(log, 600_000_000); // more than a text may have; takes no room
    appendFileSync(log, '\nit was this\n');
    expect(lastWord(log)).toBe('it was this');
  });

  it('is none where the log was taken away', () => {
    expect(lastWord(join(dir, 'nowhere.log'))).toBe('it said nothing');
  });
});

describe('a long log', () => {
  it('is kept aside while its program goes on writing', async () => {
    const child = start(`${FOREVER}setInterval(() => console.log('a line'), 5);`);
    const log = join(dir, 'stub.log');
    await vi.waitFor(() => expect(statSync(log).size).toBeGreaterThan(50));
    turnOver(log, 50);
    expect(statSync(`${log}.1`).size).toBeGreaterThan(50);
    await vi.waitFor(() => expect(readFileSync(log, 'utf8')).toMatch(/^(a line\n)+$/));
    expect(child.pid()).toBeGreaterThan(0);
  });

  it('stays where it is short, and is nobody’s fault where it is gone', () => {
    const log = join(dir, 'short.log');
    turnOver(log, 50);
    writeFileSync(log, 'short\n');
    turnOver(log, 50);
    expect(readFileSync(log, 'utf8')).toBe('short\n');
  });
});
