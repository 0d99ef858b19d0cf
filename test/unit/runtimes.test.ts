import { spawnSync } from 'node:child_process';

import { describe, expect, it } from 'vitest';

import type { PlannedArg } from '../../domain/jobs/job-plan.js';
import { docker } from '../../runtimes/docker.js';
import { singularity } from '../../runtimes/singularity.js';
import { aPlan } from '../support/a-plan.js';

const args = (...texts: string[]): PlannedArg[] =>
  texts.map((arg) => ({ arg, name: null, description: null, include: null, notes: null }));

describe('a container on this machine itself', () => {
  const input = {
    name: 'data', description: null, envKey: null, autoMountLocal: true, sourceUrl: 'tapislocal://exec.tapis/data', targetPath: 'data',
    optional: false, srcSharedCtx: null, notes: null,
  }; // prettier-ignore

  it.each([
    ['-v /etc:/here', { containerArgs: args('-v /etc:/here') }],
    ['--mount=type=bind', { containerArgs: args('--mount=type=bind,source=/,target=/all') }],
    ['tapislocal://exec.tapis/data', { inputs: [input] }],
  ])('gets no folder that a user chose: %s', (named, more) => {
    const plan = aPlan({ runtime: 'DOCKER', containerImage: 'busybox', ...more });
    expect(docker.faults(plan, 'local').join()).toContain(named);
    expect(docker.faults(plan, 'ssh')).toEqual([]);
  });

  it('may be told everything else', () => {
    expect(docker.faults(aPlan({ containerArgs: args('--cpus 2', '-w /tmp') }), 'local')).toEqual([]);
  });
});

describe('the options of Singularity', () => {
  const faults = (start: boolean, ...texts: string[]): string =>
    singularity
      .faults(aPlan({ containerImage: '/x.sif', runtimeOptions: [start ? 'SINGULARITY_START' : 'SINGULARITY_RUN'], containerArgs: args(...texts) }), 'ssh')
      .join(); // prettier-ignore

  it('may be short or long, with a blank or an equals sign', () => {
    const { run } = singularity.phrase(
      aPlan({ containerImage: '/x.sif', containerArgs: args('-B /a:/b', '--pwd=/c d', '-e') }),
    );
    expect(run).toContain("--bind /a:/b --pwd '/c d' --cleanenv /x.sif");
  });

  it.each([
    ['--env A=b', 'is set by Kilim itself'],
    ['--pidfile /x', 'is set by Kilim itself'],
    ['--keep-privs', 'is not an option that can be passed'],
    ['--nv on', 'takes no value'],
    ['--bind', 'needs a value'],
  ])('%s %s', (text, rule) => {
    expect(faults(false, text)).toContain(rule);
  });

  it('differ between a run and an instance', () => {
    expect(faults(false, '--pwd /a', '--app x')).toBe('');
    expect(faults(true, '--pwd /a')).toContain('is not an option that can be passed');
  });

  it('stand behind the MPI command', () => {
    const { run } = singularity.phrase(aPlan({ containerImage: '/x.sif', prefix: 'ibrun' }));
    expect(run).toMatch(/^ibrun "\$tool" run /);
  });
});

it('mounts a directory whose path has commas and quotes', () => {
  const { execDir } = aPlan().paths;
  const run = docker.phrase(aPlan({ paths: { ...aPlan().paths, execDir: '/job/a,"b"' } })).run;
  expect(run).toContain(`--mount 'type=bind,"source=/job/a,""b""",target=/TapisExec'`);
  expect(docker.phrase(aPlan()).run).toContain(`source=${execDir},target=/TapisExec`);
});

it('keeps what the engine warns of out of the output, and says why it made no container', () => {
  const { run } = docker.phrase(aPlan({ runtime: 'DOCKER' }));
  const asked = (create: string) => {
    const engine = `docker() { case $1 in create) ${create};; logs) echo output;; wait) echo 3;; esac; }`;
    const { stdout, stderr, status } = spawnSync('bash', ['-c', `${engine}\n${run}`], { encoding: 'utf8' });
    return [stdout, stderr, status];
  };
  expect(asked('echo "WARNING: no forwarding" >&2; echo 4f5e')).toEqual(['output\n', '', 3]);
  expect(asked('echo "no such network" >&2; return 125')).toEqual(['', 'no such network\n', 125]);
});

it('waits on for a container whose daemon was restarted, and no longer than the daemon knows it', () => {
  const { run } = docker.phrase(aPlan({ runtime: 'DOCKER' }));
  const ends = (inspect: string) => {
    const engine = `tries=$(mktemp); docker() { echo "$1" >> "$tries"; case $1 in
      wait) [ "$(grep -c wait "$tries")" -gt 1 ] && echo 7 ;;
      inspect) ${inspect} ;;
    esac; }`;
    return spawnSync('bash', ['-c', `${engine}\n${run}`], { encoding: 'utf8' }).status;
  };
  expect(ends('echo running')).toBe(7);
  expect(ends('echo "Error: No such container: x" >&2; return 1')).toBe(125);
});
