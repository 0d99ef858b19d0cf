import { execFileSync, spawn, spawnSync } from 'node:child_process';
import {
  existsSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync,
} from 'node:fs'; // prettier-ignore
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { envFileOf, envLinkOf } from '../../domain/jobs/ledger.js';
import type { RemoteCommand } from '../../domain/remote-command.js';
import { processTable } from '../../schedulers/process-table.js';
import { zip } from '../../runtimes/zip.js';
import { aPlanIn } from '../support/a-plan.js';

/* The very scripts that go to hosts, run by a real bash in a folder of their own. */

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'kilim-wrapper-'));
  mkdirSync(join(dir, 'job/output'), { recursive: true });
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const planHere = (more = {}) => aPlanIn(dir, more);

const stage = (script: string, more = {}): void =>
  writeFileSync(
    join(dir, 'job/tapisjob.sh'),
    processTable.script(planHere(more), { before: [], run: script, after: [] }, 'inst'),
  );

const run = <T>(command: RemoteCommand<T>): T => {
  const { stdout, stderr, status } = spawnSync('bash', ['-c', command.line], {
    encoding: 'utf8',
    env: { PATH: process.env['PATH'], HOME: dir },
  });
  return command.parse({ stdout, stderr, exitCode: status });
};

const settled = async (more = {}) => {
  for (
    const deadline = Date.now() + 10_000;
    Date.now() < deadline;
    await new Promise((resolve) => setTimeout(resolve, 20))
  ) {
    const state = run(processTable.settle(planHere(more), '', 'inst'));
    if (state.is === 'over') return state;
  }
  throw new Error('the job did not end');
};

const ledger = (): string[] => readdirSync(join(dir, 'job/.kilim', planHere().uuid));

describe('the wrapper', () => {
  it.each([
    ['true', 0],
    ['exit 3', 3],
    ['kill -9 $$', 137],
    ["echo 'unbalanced", 2],
  ])('records the true exit code of: %s', async (script, code) => {
    stage(script);
    run(processTable.launch(planHere(), 'inst'));
    expect(await settled()).toMatchObject({ is: 'over', exitCode: code });
  });

  it('lets the application overrule its exit code', async () => {
    stage('echo 7 > output/tapisjob.exitcode');
    run(processTable.launch(planHere(), 'inst'));
    expect(await settled()).toMatchObject({ exitCode: 7 });
  });

  it('takes no exit code that an earlier run left behind', async () => {
    stage('exit 3');
    writeFileSync(join(planHere().paths.outputDir, 'tapisjob.exitcode'), '0\n');
    run(processTable.launch(planHere(), 'inst'));
    expect(await settled()).toMatchObject({ exitCode: 3 });
  });

  it('gives a ZIP application the variables of its user, whatever their names, and keeps its own', async () => {
    const env = {
      code: '7',
      ledger: '/tmp',
      state: 'CA',
      attempt: '2',
      program: 'mine',
      by: 'TERM',
      app: '1',
      RUN: 'a b',
    };
    const plan = planHere({ runtime: 'ZIP', prefix: 'env -u RUN', appArgs: [{ arg: '"$RUN"' }] });
    writeFileSync(join(dir, 'job/tapisjob.sh'), processTable.script(plan, zip.phrase(plan), 'inst'));
    const program = '#!/bin/bash\necho "$1" > output/got; env >> output/got; exit 3\n';
    writeFileSync(join(dir, 'job/the app'), program, { mode: 0o755 });
    mkdirSync(join(dir, 'job/.kilim', plan.uuid), { recursive: true });
    writeFileSync(envFileOf(plan), zip.envFile(plan, env));
    writeFileSync(join(dir, 'job/.kilim', plan.uuid, 'executable'), 'the app\n');
    run(processTable.launch(plan, 'inst'));
    expect(await settled()).toMatchObject({ exitCode: 3 });
    const got = readFileSync(join(dir, 'job/output/got'), 'utf8').split('\n');
    expect(got[0]).toBe('a b');
    for (const name of ['code', 'ledger', 'state', 'attempt', 'program', 'by', 'app'] as const)
      expect(got).toContain(`${name}=${env[name]}`);
    expect(got.join('\n')).not.toMatch(/_tapisExecutable|^RUN=/m);
  });

  describe('keeps the values of the environment no longer than the run', () => {
    const link = () => join(dir, 'job/tapisjob.env');
    const leave = (): void => {
      mkdirSync(join(dir, 'job/.kilim', planHere().uuid), { recursive: true });
      writeFileSync(envFileOf(planHere()), 'A=secret\n');
      symlinkSync(envLinkOf(planHere()), link());
    };
    const left = () => [
      existsSync(envFileOf(planHere())),
      lstatSync(link(), { throwIfNoEntry: false }) !== undefined,
    ];

    it.each(['true', 'exit 3', 'kill -9 $$'])('which is: %s', async (script) => {
      stage(script);
      leave();
      run(processTable.launch(planHere(), 'inst'));
      await settled();
      expect(left()).toEqual([false, false]);
    });

    it('which is cancelled', () => {
      stage('sleep 300');
      leave();
      run(processTable.launch(planHere(), 'inst'));
      expect(run(processTable.cancel(planHere(), '', 'inst')).left).toEqual([]);
      expect(left()).toEqual([false, false]);
    });

    it('which is cancelled before it was launched', () => {
      stage('true');
      leave();
      run(processTable.cancel(planHere(), '', 'inst'));
      expect(left()).toEqual([false, false]);
    });

    it('but for another run, where a signal ended one that may be started again', () => {
      const repeatable = { repeatable: true };
      stage('kill -TERM $PPID; sleep 300', repeatable);
      leave();
      run(processTable.launch(planHere(repeatable), 'inst'));
      const deadline = Date.now() + 10_000;
      while (!existsSync(join(dir, 'job/.kilim', planHere().uuid, 'exit')) && Date.now() < deadline);
      expect(left()).toEqual([true, true]);
    });

    it('and leaves the link of another job in the same directory', async () => {
      stage('true');
      leave();
      rmSync(link());
      symlinkSync('.kilim/another/tapisjob.env', link());
      run(processTable.launch(planHere(), 'inst'));
      await settled();
      expect(left()).toEqual([false, true]);
    });
  });

  it('starts once, however often it is launched', async () => {
    stage('echo run >> output/runs; sleep 0.3');
    const first = run(processTable.launch(planHere(), 'inst'));
    const second = run(processTable.launch(planHere(), 'inst'));
    expect(first.adopted).toBe(false);
    expect(second).toEqual({ remoteJobId: first.remoteJobId, adopted: true });
    execFileSync('bash', [join(dir, 'job/tapisjob.sh')], { env: { PATH: process.env['PATH'], HOME: dir } });
    await settled();
    expect(readFileSync(join(dir, 'job/output/runs'), 'utf8')).toBe('run\n');
    expect(ledger().filter((name) => name.startsWith('started.'))).toEqual(['started.1']);
  });

  it('counts a second start where the application allows it', async () => {
    stage('echo run >> output/runs', { repeatable: true });
    run(processTable.launch(planHere({ repeatable: true }), 'inst'));
    await settled();
    execFileSync('bash', [join(dir, 'job/tapisjob.sh')], { env: { PATH: process.env['PATH'], HOME: dir } });
    expect(ledger().filter((name) => name.startsWith('started.'))).toEqual(['started.1', 'started.2']);
  });

  it('ends a whole tree of processes, also those that left their session', () => {
    stage('sleep 300 & setsid sleep 301 & sleep 302');
    run(processTable.launch(planHere(), 'inst'));
    expect(run(processTable.snapshot('inst'))[planHere().uuid]).toEqual({ is: 'running' });
    expect(run(processTable.cancel(planHere(), null, 'inst'))).toEqual({ left: [] });
  });

  it('never starts after a cancel', () => {
    stage('echo run > output/runs');
    run(processTable.cancel(planHere(), null, 'inst'));
    expect(() => run(processTable.launch(planHere(), 'inst'))).toThrow(/cancelled/);
    expect(readdirSync(join(dir, 'job/output'))).toEqual([]);
  });

  it('tells a wrapper that was killed from one that ended', async () => {
    stage('sleep 0.2');
    const { remoteJobId } = run(processTable.launch(planHere(), 'inst'));
    process.kill(Number(remoteJobId), 'SIGKILL');
    expect(await settled()).toMatchObject({ is: 'over', exitCode: null, word: 'WRAPPER_LOST' });
  });

  it('of another node behind the same name is not taken for lost, and a cancel says that it was not reached', () => {
    const folder = join(dir, 'job/.kilim', planHere().uuid);
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'pid'), '1 1 login4\n');
    const why = expect.stringContaining('runs on the node login4');
    expect(run(processTable.settle(planHere(), '', 'inst'))).toEqual({ is: 'unknown', why });
    expect(run(processTable.cancel(planHere(), '1', 'inst'))).toEqual({ left: [why] });
    writeFileSync(join(folder, 'exit'), '4 1000 2000 - - - 0\n');
    expect(run(processTable.settle(planHere(), '', 'inst'))).toMatchObject({ is: 'over', exitCode: 4 });
    expect(run(processTable.cancel(planHere(), '1', 'inst'))).toEqual({ left: [] });
  });

  it('waits for a host that is slow to start it', async () => {
    stage('exit 5');
    const script = join(dir, 'job/tapisjob.sh');
    writeFileSync(script, readFileSync(script, 'utf8').replace('#!/bin/bash', '#!/bin/bash\nsleep 2.5'));
    expect(run(processTable.launch(planHere(), 'inst'))).toMatchObject({ adopted: false });
    expect(await settled()).toMatchObject({ exitCode: 5 });
  });

  it('says at once that it did not start', () => {
    writeFileSync(join(dir, 'job/tapisjob.sh'), 'echo "no such thing" >&2; exit 1\n');
    const begin = Date.now();
    expect(() => run(processTable.launch(planHere(), 'inst'))).toThrow(/no such thing/);
    expect(Date.now() - begin).toBeLessThan(2_000);
  });

  it('leaves a session alone whose leader has the number of the wrapper that ended', () => {
    stage('true');
    const other = spawn('sleep', ['60'], { stdio: 'ignore', detached: true });
    try {
      const folder = join(dir, 'job/.kilim', planHere().uuid);
      mkdirSync(folder, { recursive: true });
      writeFileSync(join(folder, 'pid'), `${other.pid} 1\n`); // of another start time
      expect(run(processTable.cancel(planHere(), null, 'inst'))).toEqual({ left: [] });
      expect(other.kill(0)).toBe(true);
      expect(readFileSync(`/proc/${other.pid}/stat`, 'utf8')).toMatch(/\) S /);
    } finally {
      other.kill('SIGKILL');
    }
  });

  it.runIf(process.getuid?.() === 0)('records the exit code where the application filled the disk', () => {
    stage('head -c 10000000 /dev/zero > output/all; exit 6');
    const script = readFileSync(join(dir, 'job/tapisjob.sh'), 'utf8');
    const inside = [
      `mount -t tmpfs -o size=200k tmpfs ${dir} && cd ${dir} && mkdir -p job/output job/.kilim/${planHere().uuid} .kilim/inst/events`,
      `cat > job/tapisjob.sh; bash job/tapisjob.sh; cat job/.kilim/${planHere().uuid}/exit`,
    ].join('\n');
    const { stdout } = spawnSync('bash', ['-c', `exec unshare -m bash -c '${inside}'`], {
      encoding: 'utf8',
      input: script,
      env: { PATH: process.env['PATH'], HOME: dir },
    });
    expect(stdout).toMatch(/^6 \d+ \d+ - (-|\d+) - 0 - -\n/);
  });

  it('takes a full disk at the launch for one that may pass', () => {
    expect(() =>
      processTable.launch(planHere(), 'inst').parse({
        stdout: '',
        stderr: "mkdir: cannot create directory '/home/alice/.kilim': Disk quota exceeded\n",
        exitCode: 73,
      }),
    ).toThrow(expect.objectContaining({ code: 'DISK_FULL' }) as Error);
  });

  it('measures the processor time of the application and its children', async () => {
    stage('bash -c "for ((i = 0; i < 300000; i++)); do :; done"');
    run(processTable.launch(planHere(), 'inst'));
    const { usage } = await settled();
    expect(usage?.cpuMs).toBeGreaterThan(100);
    expect(usage?.cpuMs).toBeLessThan((usage?.elapsedMs ?? 0) + 500);
    expect(usage?.peakMemoryKB).toBeNull();
  });

  it('tells the watcher of start and end', async () => {
    stage('exit 4');
    run(processTable.launch(planHere(), 'inst'));
    await settled();
    const events = join(dir, '.kilim/inst/events');
    await expect
      .poll(() => readFileSync(join(events, readdirSync(events)[0] ?? ''), 'utf8'))
      .toMatch(/ START - \d+\n.* END 4 \d+ \d+ \d+ -\n$/);
  });
});
