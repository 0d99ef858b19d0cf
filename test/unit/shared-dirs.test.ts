import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import type { JobPlan } from '../../domain/jobs/job-plan.js';
import { envFileOf, ledgerDir, scriptOf } from '../../domain/jobs/ledger.js';
import { sharedDirs } from '../../domain/jobs/shared-dirs.js';
import type { RemoteCommand } from '../../domain/remote-command.js';
import { zip } from '../../runtimes/zip.js';
import { processTable } from '../../schedulers/process-table.js';
import { launchSlurm } from '../../schedulers/slurm-launch.js';
import { aPlan, aPlanIn } from '../support/a-plan.js';

/* Jobs that share directories, by the very scripts that go to hosts, run by a real bash. */

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'kilim-shared-'));
  mkdirSync(join(dir, 'job/output'), { recursive: true });
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const job = (n: number, more: Partial<JobPlan> = {}): JobPlan =>
  aPlanIn(dir, { uuid: `${n}3333333-1111-4111-8111-111111111111-007`, ...more });

const run = <T>(command: RemoteCommand<T>): T => {
  const { stdout, stderr, status } = spawnSync('bash', ['-c', command.line], {
    encoding: 'utf8',
    env: { PATH: `${dir}/bin:${process.env['PATH'] ?? ''}`, HOME: dir },
  });
  return command.parse({ stdout, stderr, exitCode: status });
};

/** As staging writes it: the ledger's script, and the copy for users in the exec dir. */
const stage = (plan: JobPlan, script: string): void => {
  const text = processTable.script(plan, { before: [], run: script, after: [] }, 'inst');
  mkdirSync(ledgerDir(plan), { recursive: true });
  writeFileSync(scriptOf(plan), text);
  writeFileSync(join(plan.paths.execDir, 'tapisjob.sh'), text);
};
const launch = (plan: JobPlan): void => void run(processTable.launch(plan, 'inst'));
const settled = (plan: JobPlan) =>
  vi.waitFor(
    () => {
      const state = run(processTable.settle(plan, '', 'inst'));
      if (state.is !== 'over') throw new Error(`the job is ${state.is}`);
      return state;
    },
    { timeout: 15_000, interval: 30 },
  );
const output = (name = 'tapisjob.out'): string => readFileSync(join(dir, 'job/output', name), 'utf8');
const ownOutput = (plan: JobPlan): string => readFileSync(join(ledgerDir(plan), 'stdout'), 'utf8');

describe('two jobs with one exec dir', () => {
  it('run each its own script, whichever was staged last', async () => {
    const [one, two] = [job(1), job(2)];
    stage(one, 'echo of one > output/one');
    stage(two, 'echo of two > output/two');
    launch(one);
    launch(two);
    expect(await settled(one)).toMatchObject({ exitCode: 0 });
    expect(await settled(two)).toMatchObject({ exitCode: 0 });
    expect([output('one'), output('two')]).toEqual(['of one\n', 'of two\n']);
  });

  it('are submitted to Slurm each with its own script', () => {
    mkdirSync(join(dir, 'bin'));
    writeFileSync(
      join(dir, 'bin/sbatch'),
      '#!/bin/sh\npwd >> "$HOME/asked"; cat "$1" >> "$HOME/asked"; echo Submitted batch job 7\n',
      { mode: 0o755 },
    );
    const [one, two] = [1, 2].map((n) => job(n, { jobType: 'BATCH', keeper: 'slurm' })) as [JobPlan, JobPlan];
    for (const [plan, text] of [
      [one, 'of one'],
      [two, 'of two'],
    ] as const) {
      mkdirSync(ledgerDir(plan), { recursive: true });
      for (const file of [scriptOf(plan), join(dir, 'job/tapisjob.sh')]) writeFileSync(file, `${text}\n`);
    }
    run(launchSlurm(one, 'inst'));
    expect(readFileSync(join(dir, 'asked'), 'utf8')).toBe(`${join(dir, 'job')}\nof one\n`);
  });

  it('that an older Kilim staged are launched with what it left in the exec dir', async () => {
    const plan = job(1);
    stage(plan, 'echo old > output/old');
    rmSync(scriptOf(plan));
    launch(plan);
    expect(await settled(plan)).toMatchObject({ exitCode: 0 });
    expect(output('old')).toBe('old\n');
  });

  const unpacked = (plan: JobPlan, files: Record<string, string>): JobPlan => {
    const from = join(dir, `archive-${plan.uuid}`);
    mkdirSync(from);
    for (const [name, text] of Object.entries(files)) writeFileSync(join(from, name), text, { mode: 0o755 });
    spawnSync('tar', ['-C', from, '-cf', `${from}.tar`, ...Object.keys(files)]);
    const ours = { ...plan, containerImage: `${from}.tar` };
    run(zip.prepare(ours));
    writeFileSync(envFileOf(ours), zip.envFile(ours, {}));
    writeFileSync(scriptOf(ours), processTable.script(ours, zip.phrase(ours), 'inst'));
    return ours;
  };
  const saying = (text: string): string => `#!/bin/sh\necho "${text} $1" >> output/said\n`;

  it.each<[string, Record<string, string>, Record<string, string>]>([
    ['of the same name', { 'tapisjob_app.sh': saying('one') }, { 'tapisjob_app.sh': saying('two') }],
    ['of a manifest and of the usual name', { 'tapisjob.manifest': 'tapisjob_executable=run\n', run: saying('one') }, { 'tapisjob_app.sh': saying('two') }],
    ['of two manifests', { 'tapisjob.manifest': 'tapisjob_executable=a\n', a: saying('one') }, { 'tapisjob.manifest': 'tapisjob_executable=b\n', b: saying('two') }],
  ])('run each its own program: %s', async (_words, ofOne, ofTwo) => {
    const one = unpacked(job(1, { appArgs: [{ arg: 'x' }] as JobPlan['appArgs'] }), ofOne);
    const two = unpacked(job(2, { appArgs: [{ arg: 'y' }] as JobPlan['appArgs'] }), ofTwo);
    launch(one);
    await settled(one);
    launch(two);
    await settled(two);
    expect(output('said')).toBe('one x\ntwo y\n');
  }); // prettier-ignore

  it('replace each file of an archive at once, and leave nothing of the unpacking', () => {
    const files = { 'tapisjob_app.sh': saying('one'), lib: 'x' };
    const plan = unpacked(job(1), files);
    unpacked(job(2), files);
    expect(readFileSync(join(dir, 'job/lib'), 'utf8')).toBe('x');
    const left = spawnSync('ls', [ledgerDir(plan)], { encoding: 'utf8' })
      .stdout.split('\n')
      .filter(Boolean);
    expect(left).toEqual(['executable', 'program', 'tapisjob.env', 'tapisjob.sh']);
  });
});

describe('two jobs with one output directory', () => {
  it('keep each what it says, and the name has it of the job that ended last', async () => {
    const [one, two] = [job(1), job(2)];
    stage(one, 'echo one begins; until [ -e go ]; do sleep 0.05; done; echo one ends');
    stage(two, 'echo two');
    launch(one);
    await vi.waitFor(() => expect(output()).toBe('one begins\n'));
    launch(two);
    await settled(two);
    expect(output()).toBe('two\n');
    expect(ownOutput(one)).toBe('one begins\n');
    writeFileSync(join(dir, 'job/go'), '');
    await settled(one);
    expect(output()).toBe('one begins\none ends\n');
    expect(ownOutput(two)).toBe('two\n');
  });

  it('keep each its errors', async () => {
    const logConfig = { stdoutFilename: 'o', stderrFilename: 'e' };
    const [one, two] = [job(1, { logConfig }), job(2, { logConfig })];
    for (const [plan, word] of [[one, 'one'], [two, 'two']] as const) {
      stage(plan, `echo ${word}; echo bad ${word} >&2`);
      launch(plan);
      await settled(plan);
    } // prettier-ignore
    expect([output('o'), output('e')]).toEqual(['two\n', 'bad two\n']);
    expect(readFileSync(join(ledgerDir(one), 'stderr'), 'utf8')).toBe('bad one\n');
  });

  it('take none away the word of the other, and say what the application ended with itself', async () => {
    const [one, two] = [job(1), job(2)];
    stage(one, 'echo 7 > output/tapisjob.exitcode; until [ -e go ]; do sleep 0.05; done');
    stage(two, 'exit 3');
    launch(one);
    await vi.waitFor(() => expect(existsSync(join(dir, 'job/output/tapisjob.exitcode'))).toBe(true));
    launch(two);
    const other = await settled(two);
    expect(other).toMatchObject({ exitCode: 3 });
    expect(other).not.toHaveProperty('ownExitCode');
    writeFileSync(join(dir, 'job/go'), '');
    expect(await settled(one)).toMatchObject({ exitCode: 7, ownExitCode: 0 });
  });
});

describe('on a file system without hard links', () => {
  it('the name is a link while the application runs, and a copy afterwards', async () => {
    mkdirSync(join(dir, 'bin'));
    writeFileSync(join(dir, 'bin/ln'), '#!/bin/sh\ncase $1 in -fT) exit 1 ;; esac\nexec /bin/ln "$@"\n', {
      mode: 0o755,
    });
    const plan = job(1);
    stage(plan, 'echo begins; until [ -e go ]; do sleep 0.05; done; echo ends');
    launch(plan);
    await vi.waitFor(() => expect(output()).toBe('begins\n'));
    writeFileSync(join(dir, 'job/go'), '');
    await settled(plan);
    rmSync(join(ledgerDir(plan), 'stdout'));
    expect(output()).toBe('begins\nends\n');
  });
});

describe('the directories that two jobs share', () => {
  const using = (uuid: string, more: Partial<JobPlan> = {}) => aPlan({ uuid, ...more });

  it.each([
    ['the exec dir', { execSystemExecDir: '/a' }, { execSystemExecDir: '/a' }, ['execSystemExecDir']],
    ['the input dir', { execSystemInputDir: '/a' }, { execSystemInputDir: '/a' }, ['execSystemInputDir']],
    ['the output dir', { execSystemOutputDir: '/a' }, { execSystemOutputDir: '/a' }, ['execSystemOutputDir']],
    ['the archive', { archiveSystemDir: '/a' }, { archiveSystemDir: '/a' }, ['archiveSystemDir']],
    ['one that is used for two things', { execSystemExecDir: '/a', execSystemOutputDir: '/a' }, { archiveSystemDir: '/a' }, ['execSystemExecDir', 'execSystemOutputDir']],
    ['none: another one', { execSystemExecDir: '/a' }, { execSystemExecDir: '/a/b' }, []],
    ['none: the path has the job in it', { execSystemExecDir: '/jobs/u1' }, { execSystemExecDir: '/jobs/u1' }, []],
  ] as const)('are %s', (_words, ofOne, ofTwo, roles) => {
    const own = (uuid: string) => ({ execSystemExecDir: `/${uuid}`, execSystemInputDir: `/${uuid}`, execSystemOutputDir: `/${uuid}`, archiveSystemDir: `/${uuid}` });
    const shared = sharedDirs(using('u1', { ...own('u1'), ...ofOne }), using('u2', { ...own('u2'), ...ofTwo }));
    expect(shared.map(({ role }) => role)).toEqual(roles);
  }); // prettier-ignore

  it('of another system are others', () => {
    const elsewhere = { ...aPlan().exec, systemId: 'other' };
    expect(sharedDirs(using('u1'), using('u2', { exec: elsewhere, archive: elsewhere }))).toEqual([]);
  });
});
