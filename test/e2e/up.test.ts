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
    env: { ...process.env, KILIM_LOCAL_USERS: 'alice,bob', ...env },
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

it('tries a program only once where a further start would fail in the same way, and says why', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'kilim-up-'));
  const files = { database: join(dir, 'kilim.db'), key: join(dir, 'keys/master.key') };
  const refusal = (env: Record<string, string | undefined> = {}, ...args: string[]): Promise<string> =>
    up({ KILIM_HOME: dir, KILIM_PORT: undefined, ...env }, '--port', `${port}`, ...args).then(
      () => 'it is ready',
      (error: Error) => error.message,
    );
  const port = await anyPort();
  const first = await up({ KILIM_HOME: dir }, '--port', `${port}`);
  const ended = new Promise((resolve) => first.child.once('exit', resolve));
  first.child.kill('SIGTERM');
  await ended;
  const [database, key] = [readFileSync(files.database), readFileSync(files.key)];
  const said: string[] = [];

  rmSync(files.key);
  said.push(await refusal());
  expect(said[0]).toContain(`The master key ${files.key} is missing`);
  writeFileSync(files.key, `${Buffer.alloc(32, 1).toString('base64')}\n`);
  said.push(await refusal());
  expect(said[1]).toMatch(
    /Kilim cannot start: The store holds values that are sealed with the key [0-9a-f]{8}/,
  );
  expect(said[1]).toContain(`not in ${files.key}`);
  writeFileSync(files.key, key);

  writeFileSync(files.database, 'no database at all '.repeat(300));
  said.push(await refusal());
  expect(said[2]).toContain(`Kilim cannot start: ${files.database} is not an SQLite database`);
  // like a copy that was made while the file changed: some of its pages are from another moment
  writeFileSync(
    files.database,
    Buffer.concat([database.subarray(0, 40_960), Buffer.alloc(database.length - 40_960, 7)]),
  );
  said.push(await refusal());
  expect(said[3]).toContain(`Kilim cannot start: The database ${files.database} is damaged`);
  writeFileSync(files.database, database);

  writeFileSync(join(dir, 'seed.json'), '{"tenant": "dev", "colour": 1}');
  said.push(await refusal({}, '--seed', join(dir, 'seed.json')));
  expect(said[4]).toMatch(/Kilim cannot start: .*seed\.json: .*colour/);
  said.push(await refusal({ KILIM_ACCESS_TOKEN_SECONDS: 'long' }));
  expect(said[5]).toContain(
    'Kilim cannot start: KILIM_ACCESS_TOKEN_SECONDS ("long") must be a number of seconds',
  );
  said.push(await refusal({ KILIM_WORKFLOW_BUNDLE: join(dir, 'nothing.js') }));
  expect(said[6]).toContain(`Kilim cannot start: The workflows' code ${join(dir, 'nothing.js')}`);
  for (const words of said) expect(words).not.toContain('it starts again');

  const again = await up({ KILIM_HOME: dir }, '--port', `${port}`);
  expect(again.url).toBe(first.url);
  // a separate API is started at a port that is already taken
  const { stderr, status } = spawnSync(process.execPath, [join(ROOT, 'bin/kilim'), 'api'], {
    env: { ...process.env, KILIM_HOME: dir, KILIM_PORT: `${port}` },
    encoding: 'utf8',
  });
  expect(status).toBe(1);
  expect(stderr.trim().split('\n').at(-1)).toMatch(
    new RegExp(`^Kilim cannot start: The port ${port} of 127.0.0.1 .* cannot be had: .*EADDRINUSE`),
  );
  again.child.kill('SIGKILL');
  await gone(dir);
  rmSync(dir, { recursive: true });
}, 200_000);

it.each([
  ['kilim', [join(ROOT, 'bin/kilim'), 'up']],
  ['npm run demo', ['-r', join(ROOT, 'bin/node-version.js'), join(ROOT, 'scripts/demo.mjs')]],
  ['npm test', ['-r', join(ROOT, 'bin/node-version.js'), join(ROOT, 'scripts/test.mjs')]],
])('%s says in one sentence that Node is too old, before anything else', (_name, words) => {
  const dir = mkdtempSync(join(tmpdir(), 'kilim-old-node-'));
  const old = join(dir, 'old.cjs');
  writeFileSync(old, `Object.defineProperty(process.versions, 'node', { value: '18.19.1' });`);
  const { stderr, stdout, status } = spawnSync(process.execPath, ['-r', old, ...words], { encoding: 'utf8' });
  rmSync(dir, { recursive: true });
  expect([status, stdout, stderr]).toEqual([
    1,
    '',
    'kilim: Node 20.20 or newer is needed, and this is 18.19.1.\n',
  ]);
});

it('has start scripts that check the version of Node first', () => {
  const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
    scripts: Record<string, string>;
  };
  for (const line of Object.values(scripts).filter((words) => words.includes('node ')))
    expect(line).toMatch(/^node -r \.\/bin\/node-version\.js /);
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
    'backup',
    'restore',
    'restored',
    'orphans',
    'disable-user',
    'enable-user',
    'revoke-tokens',
    'rotate-signing-key',
  ])
    expect(stdout).toMatch(new RegExp(`^  ${command}\\b`, 'm'));
});
