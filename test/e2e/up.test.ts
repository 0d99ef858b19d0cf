import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { afterAll, expect, it } from 'vitest';

import { aClient, aHome, anyPort, seedOf } from '../support/kilim.js';

const ROOT = new URL('../..', import.meta.url).pathname;
const home = aHome();
const seed = join(home, 'seed.json');
writeFileSync(seed, JSON.stringify(seedOf(home)), { mode: 0o600 });

const started: ChildProcess[] = [];
afterAll(async () => {
  for (const child of started) child.kill('SIGKILL');
  await gone(home);
  rmSync(home, { recursive: true, force: true });
});

/** `kilim up` in this home; resolves with its address when it says that it is ready, rejects with its words when it ends. */
function up(
  env: Record<string, string | undefined>,
  ...args: string[]
): Promise<{ child: ChildProcess; url: string; said: () => string }> {
  const child = spawn(process.execPath, [join(ROOT, 'bin/kilim'), 'up', ...args], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  started.push(child);
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
  return new Promise((resolve, reject) => {
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      const url = /^kilim ready at (\S+)$/m.exec(text)?.[1];
      if (url) resolve({ child, url, said: () => said });
    });
    child.once('exit', (code) => reject(new Error(`exit ${code}: ${said}`)));
  });
}

/** Programs of an installation that still run: its folder is on their command line or in their environment. */
const programsOf = (dir: string): string[] =>
  spawnSync(
    'bash',
    ['-c', `grep -lsz -e '${dir}' /proc/[0-9]*/environ /proc/[0-9]*/cmdline | tr '\\0' '\\n'`],
    { encoding: 'utf8' },
  )
    .stdout.split('\n')
    .filter((file) => file !== '' && !file.includes(`/${process.pid}/`) && nameOf(file) !== 'grep');
const nameOf = (file: string): string => {
  try {
    return readFileSync(file.replace(/\/[^/]*$/, '/comm'), 'utf8').trim();
  } catch {
    return 'grep'; // it has ended meanwhile
  }
};

async function gone(dir: string, seconds = 20): Promise<void> {
  for (const deadline = Date.now() + seconds * 1000; Date.now() < deadline; await sleep(100))
    if (programsOf(dir).length === 0) return;
  throw new Error(`still there: ${programsOf(dir).map(nameOf).join(', ')}`);
}

it('ends with everything it started, even killed; the next one in its home goes on where it was', async () => {
  const request = {
    appId: 'zip-app',
    execSystemId: 'here',
    parameterSet: { appArgs: [{ arg: "'echo done'" }] },
  };
  const first = await up(
    { KILIM_HOME: home, KILIM_PORT: undefined },
    '--port',
    `${await anyPort()}`,
    '--seed',
    seed,
  );
  expect(first.said()).toMatch(/the embedded Temporal server has no log-in.*TEMPORAL_ADDRESS/);
  const uuid = await aClient(first.url).submit(request);
  await aClient(first.url).until(uuid, 'FINISHED', 40);
  expect(programsOf(home).length).toBeGreaterThan(3);
  expect(statSync(join(home, 'keys/master.key')).mode & 0o777).toBe(0o600);
  await expect(up({ KILIM_HOME: home })).rejects.toThrow(/Another kilim up \(process \d+\) uses this home/);

  first.child.kill('SIGKILL');
  await gone(home);

  // the port of the last time, without the seed file: what was seeded stays
  const second = await up({ KILIM_HOME: home });
  expect(second.url).toBe(first.url);
  const client = aClient(second.url);
  expect((await client.get(uuid)).status).toBe('FINISHED');
  const workerMetrics = (JSON.parse(readFileSync(join(home, 'ports.json'), 'utf8')) as { metrics: number })
    .metrics;
  expect((await fetch(`http://127.0.0.1:${workerMetrics}/metrics`)).status).toBe(200);
  await client.until(await client.submit(request), 'FINISHED', 40);

  const told = (await (await fetch(`${second.url}/v3/healthz`)).json()) as Record<string, string>;
  expect(told).toMatchObject({
    version: '0.1.0',
    commit: expect.stringMatching(/^([0-9a-f]{7,}|unknown)$/) as string,
  });
  expect(
    Math.abs(Date.parse(told['build'] ?? '') - statSync(join(ROOT, 'dist/.built')).mtimeMs),
  ).toBeLessThan(300_000);

  const ended = new Promise((resolve) => second.child.once('exit', resolve));
  second.child.kill('SIGTERM');
  expect(await ended).toBe(0);
  expect(programsOf(home)).toEqual([]);
}, 150_000);

it.each([
  [['--port', '0'], 'A port is a number from 1 to 65535.'],
  [['--seed', '/nowhere/seed.json'], 'The seed file /nowhere/seed.json does not exist.'],
  [['--colour'], "unknown option '--colour'"],
])('says what is wrong with %j', async (args, sentence) => {
  const dir = mkdtempSync(join(tmpdir(), 'kilim-up-'));
  mkdirSync(join(dir, 'home'));
  await expect(up({ KILIM_HOME: join(dir, 'home') }, ...args)).rejects.toThrow(sentence);
  rmSync(dir, { recursive: true });
});

it('explains itself', () => {
  const { stdout, status } = spawnSync(process.execPath, [join(ROOT, 'bin/kilim'), '--help'], {
    encoding: 'utf8',
  });
  expect(status).toBe(0);
  for (const command of [
    'up',
    'api',
    'worker',
    'migrate',
    'rotate-keys',
    'set-password',
    'disable-user',
    'enable-user',
    'revoke-tokens',
    'rotate-signing-key',
  ])
    expect(stdout).toMatch(new RegExp(`^  ${command}\\b`, 'm'));
});
