import { execFileSync, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';

import { aClient, aHome, anyPort, HELD, letGo, processesOf } from '../support/kilim.js';

/* Failures of the machine of an installation: its home is copied and lost, and its disk is full. */

const ROOT = new URL('../..', import.meta.url).pathname;
const BIN = join(ROOT, 'bin/kilim');
const PASSPHRASE = 'a passphrase of the test\n';

interface Running {
  url: string;
  child: ChildProcess;
  ended: Promise<number | null>;
}

async function up(home: string, env: Record<string, string> = {}, ...args: string[]): Promise<Running> {
  // its own output also goes to a file in the home
  const words = openSync(join(home, 'up.err'), 'a', 0o600);
  const child = spawn(
    process.execPath,
    [BIN, 'up', '--home', home, '--port', `${await anyPort()}`, ...args],
    {
      env: { ...process.env, KILIM_SWEEP_MINUTES: '0.05', KILIM_LOCAL_USERS: 'alice,bob', ...env },
      stdio: ['ignore', 'pipe', words],
    },
  );
  closeSync(words);
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  const url = await new Promise<string>((resolve, reject) => {
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      const ready = /^kilim ready at (\S+)$/m.exec(text)?.[1];
      if (ready) resolve(ready);
    });
    child.once('exit', (code) =>
      reject(new Error(`exit ${code}: ${readFileSync(join(home, 'up.err'), 'utf8')}`)),
    );
  });
  return { url, child, ended };
}

const command = (home: string, words: string[], input = '') => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [BIN, ...words, '--home', home], {
    input,
    encoding: 'utf8',
  });
  return { status, said: `${stdout}${stderr}` };
};

const seedOf = (home: string, rootDir: string) => ({
  tenant: 'dev',
  users: [{ username: 'alice', password: 'alice' }],
  systems: [{ id: 'here', owner: 'alice', systemType: 'LINUX', host: 'localhost', defaultAuthnMethod: 'PASSWORD', rootDir,
    canExec: true, jobWorkingDir: 'workdir', jobRuntimes: [{ runtimeType: 'ZIP' }] }],
  credentials: [],
  apps: [{ id: 'zip-app', version: '1', owner: 'alice', runtime: 'ZIP', containerImage: `${home}/apps/shell.tar` }],
  profiles: [],
}); // prettier-ignore

const running = (script: string) => ({
  appId: 'zip-app',
  execSystemId: 'here',
  parameterSet: { appArgs: [{ arg: `'eval "$SCRIPT"'` }], envVariables: [{ key: 'SCRIPT', value: script }] },
});

describe('a home that is lost', () => {
  // the applications and the jobs' files are on another disk
  const first = aHome();
  const files = mkdtempSync(join(tmpdir(), 'kilim-files-'));
  const backups = mkdtempSync(join(tmpdir(), 'kilim-backups-'));
  const second = join(backups, 'second');
  let kilim: Running;
  const started: string[] = [];
  const dirOf = (uuid: string): string => join(files, 'workdir/jobs', uuid);

  beforeAll(async () => {
    chmodSync(files, 0o777);
    chmodSync(backups, 0o711); // the account that runs jobs passes through
    writeFileSync(join(first, 'seed.json'), JSON.stringify(seedOf(first, files)), { mode: 0o600 });
    kilim = await up(first, {}, '--seed', join(first, 'seed.json'));
  }, 120_000);
  afterAll(async () => {
    kilim.child.kill('SIGTERM');
    await kilim.ended;
    for (const uuid of started.filter((one) => existsSync(dirOf(one)))) letGo(dirOf(uuid));
    await vi.waitFor(() => expect(started.flatMap(processesOf)).toEqual([]), { timeout: 20_000 });
    for (const dir of [first, files, backups]) rmSync(dir, { recursive: true, force: true });
  });

  it('is restored from a backup that was made while it ran; later jobs are reported, and ended by order alone', async () => {
    const client = aClient(kilim.url);
    const submit = async (script: string): Promise<string> => {
      const uuid = await client.submit(running(script));
      started.push(uuid);
      return uuid;
    };
    const [goesOn, endsMeanwhile] = [
      await submit(`${HELD}; echo went on`),
      await submit(`${HELD}; echo ended`),
    ];
    for (const uuid of [goesOn, endsMeanwhile]) await client.until(uuid, 'RUNNING', 60);

    const file = join(backups, 'kilim.backup');
    expect(command(first, ['backup', file], 'short\n')).toMatchObject({
      status: 1,
      said: expect.stringContaining('at least 12') as string,
    });
    expect(command(first, ['backup', file], PASSPHRASE)).toMatchObject({
      status: 0,
      said: expect.stringContaining('sealed by the passphrase') as string,
    });
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(readFileSync(file).includes(readFileSync(join(first, 'keys/master.key'), 'utf8').trim())).toBe(
      false,
    );
    expect(command(first, ['backup', file], PASSPHRASE)).toMatchObject({
      status: 1,
      said: expect.stringContaining('--force writes over it') as string,
    });

    const [adopted, ended] = [await submit(HELD), await submit(HELD)];
    for (const uuid of [adopted, ended]) await client.until(uuid, 'RUNNING', 60);
    letGo(dirOf(endsMeanwhile));
    await client.until(endsMeanwhile, 'FINISHED', 60);
    kilim.child.kill('SIGKILL');
    await kilim.ended;

    expect(command(first, ['restore', file], PASSPHRASE).said).toMatch(/is not empty: .*kilim\.db/);
    expect(command(second, ['restore', file], 'another passphrase\n').said).toContain(
      'The passphrase does not open',
    );
    expect(readdirOf(second)).toEqual([]);
    const cut = join(backups, 'cut');
    writeFileSync(cut, readFileSync(file));
    truncateSync(cut, statSync(file).size - 100);
    expect(command(second, ['restore', cut], PASSPHRASE).said).toContain('is damaged, or was cut off');
    expect(command(second, ['restore', file], PASSPHRASE)).toMatchObject({
      status: 0,
      said: expect.stringContaining('is restored') as string,
    });
    expect(readdirOf(second)).toEqual(['audit.log', 'keys', 'kilim.db']);

    kilim = await up(second);
    const after = aClient(kilim.url);
    letGo(dirOf(goesOn));
    await after.until(goesOn, 'FINISHED', 120);
    expect(await after.output(goesOn)).toBe('went on\n');
    await after.until(endsMeanwhile, 'FINISHED', 120);
    expect(await after.output(endsMeanwhile)).toBe('ended\n');

    const list = (): string => command(second, ['orphans', 'list']).said;
    await expect.poll(list, { timeout: 60_000, interval: 500 }).toContain(adopted);
    expect(list()).toMatch(new RegExp(`${ended}  here .* process \\d+.* reported`));
    expect(list()).not.toContain(goesOn);
    expect(command(second, ['orphans', 'adopt', adopted]).said).toContain('1 job is left alone');
    // twice the time after which the sweeper acts: an orphan for which no order was given is not ended
    await sleep(12_000);
    for (const uuid of [adopted, ended]) expect(processesOf(uuid)).not.toEqual([]);

    expect(command(second, ['orphans', 'end', '--all']).said).toContain('1 job is ended');
    await expect.poll(() => processesOf(ended), { timeout: 60_000, interval: 500 }).toEqual([]);
    await expect.poll(list, { timeout: 30_000, interval: 500 }).not.toContain(ended);
    expect(list()).toMatch(new RegExp(`${adopted} .* adopted`));
    expect(processesOf(adopted)).not.toEqual([]);
  }, 400_000);
});

const readdirOf = (dir: string): string[] =>
  existsSync(dir) ? execFileSync('ls', ['-A', dir], { encoding: 'utf8' }).split('\n').filter(Boolean) : [];

describe.runIf(process.getuid?.() === 0)('a full disk under the home', () => {
  const home = aHome();
  const files = mkdtempSync(join(tmpdir(), 'kilim-files-'));
  const apps = mkdtempSync(join(tmpdir(), 'kilim-apps-'));
  const filler = join(home, 'filler');
  let kilim: Running;

  beforeAll(async () => {
    for (const dir of [files, apps]) chmodSync(dir, 0o777);
    mkdirSync(join(apps, 'apps'));
    execFileSync('cp', [join(home, 'apps/shell.tar'), join(apps, 'apps/shell.tar')]);
    chmodSync(join(apps, 'apps'), 0o755);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64m,mode=711', 'kilim-home', home]);
    writeFileSync(join(home, 'seed.json'), JSON.stringify(seedOf(apps, files)), { mode: 0o600 });
    kilim = await up(home, { LOG_LEVEL: 'debug' }, '--seed', join(home, 'seed.json'));
  }, 120_000);
  afterAll(async () => {
    kilim.child.kill('SIGTERM');
    await kilim.ended;
    execFileSync('umount', ['--lazy', home]);
    for (const dir of [home, files, apps]) rmSync(dir, { recursive: true, force: true });
  });

  const fill = (): void =>
    void spawnSync('dd', ['if=/dev/zero', `of=${filler}`, 'bs=4096'], { stdio: 'ignore' });

  it('refuses jobs with 503 while it lasts, ends nothing, and goes on by itself when there is room', async () => {
    const client = aClient(kilim.url);
    const before = await client.submit(running(`${HELD}; echo before`));
    await client.until(before, 'RUNNING', 60);
    fill();
    const body = { name: 'full', appVersion: '1', ...running('echo full') };
    const ask = () => client.call('POST', '/v3/jobs/submit', body);
    await expect.poll(async () => (await ask()).status, { timeout: 60_000, interval: 200 }).toBe(503);
    letGo(join(files, 'workdir/jobs', before)); // the job ends while the store cannot be written
    for (const end = Date.now() + 20_000; Date.now() < end; await sleep(500)) {
      fill(); // fills the space that was freed in the meantime
      const { status } = await ask();
      expect([200, 503]).toContain(status);
      expect((await fetch(`${kilim.url}/v3/healthz`)).status).toBe(200);
    }
    expect(kilim.child.exitCode).toBeNull();

    rmSync(filler);
    await expect.poll(async () => (await ask()).status, { timeout: 60_000, interval: 500 }).toBe(200);
    await client.until(before, 'FINISHED', 120);
    expect(await client.output(before)).toBe('before\n');
    await client.until(await client.submit(running('echo after')), 'FINISHED', 120);
    expect(kilim.child.exitCode).toBeNull();
  }, 400_000);
});
