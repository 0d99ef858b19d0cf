import { spawnSync } from 'node:child_process';

import { describe, expect, it } from 'vitest';

import type { PlannedArg } from '../../domain/jobs/job-plan.js';
import { docker } from '../../runtimes/docker.js';
import { singularity } from '../../runtimes/singularity.js';
import { zip } from '../../runtimes/zip.js';
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
    expect(
      docker.faults(
        aPlan({ containerImage: 'busybox', containerArgs: args('--cpus 2', '-w /tmp') }),
        'local',
      ),
    ).toEqual([]);
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
    expect(run).toContain("--bind=/a:/b '--pwd=/c d' --cleanenv -- /x.sif");
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

describe('the name of an image', () => {
  const HOSTILE = [
    '-hfX',
    '--privileged',
    '--volume=/:/x',
    '-x.sif',
    '',
    ' busybox',
    'a b',
    'a\nb',
    'a;b',
    '$(id)',
  ];
  const RULES = {
    docker: HOSTILE,
    singularity: ['-x.sif', '--bind=/:/x', '', 'docker://-x', 'docker://a b'],
    zip: HOSTILE,
  };
  it.each(Object.entries(RULES).flatMap(([name, images]) => images.map((image) => [name, image] as const)))(
    'is refused where it could be an option or more than a name: %s %j',
    (name, containerImage) => {
      const plan = aPlan({ containerImage, runtimeOptions: ['SINGULARITY_RUN'] });
      const [fault] = { docker, singularity, zip }[name as keyof typeof RULES].faults(plan, 'ssh');
      expect(fault).toMatch(/^containerImage: /);
    },
  );

  it.each([
    [docker, 'busybox'],
    [docker, 'kilim/busybox:test'],
    [docker, 'ghcr.io:443/Owner/img-classify_2:0.0.1'],
    [docker, 'localhost:5000/a/b/c'],
    [docker, '[::1]:5000/a'],
    [docker, `tapis/img@sha256:${'0123456789abcdef'.repeat(4)}`],
    [docker, `sha256:${'0123456789abcdef'.repeat(4)}`],
    [singularity, '/opt/images/busybox.sif'],
    [singularity, 'images/a b.sif'],
    [singularity, 'docker://tapis/img-classify:0.0.1'],
    [singularity, 'library://sylabsed/examples/lolcow:latest'],
    [singularity, 'oras://ghcr.io/a/b@sha256:0123'],
    [singularity, 'https://example.org/a.sif?x=1&y=%20'],
  ])('may be all that engines know: %#', (runtime, containerImage) => {
    expect(runtime.faults(aPlan({ containerImage, runtimeOptions: ['SINGULARITY_RUN'] }), 'ssh')).toEqual([]);
  });

  // a job may have been planned before such names were refused
  const words = (text: string): string[] => {
    const engine = `docker() { printf '%s\\n' "$@" >&2; }; podman() { docker "$@"; }; tool=docker`;
    return spawnSync('bash', ['-c', `${engine}\n${text}`], { encoding: 'utf8' }).stderr.split('\n');
  };
  const old = { containerImage: '-hfX', appArgs: args('--privileged', '--volume=/:/x', 'busybox') };
  const afterwards = (all: string[]): string[] => all.slice(all.indexOf('--'), all.indexOf('busybox') + 1);

  it.each(['docker', 'podman'] as const)('is never an option of %s', (containerEngine) => {
    const { run } = docker.phrase(aPlan({ ...old, containerEngine, containerArgs: args('--workdir --rm') }));
    const create = run.split('\n').find((line) => line.includes(' create ')) ?? '';
    const said = words(create.replace(/^said=\$\(/, '').replace(/ 2>&1 > .*$/, ''));
    expect(afterwards(said)).toEqual(['--', '-hfX', '--privileged', '--volume=/:/x', 'busybox']);
    expect(said).toContain('--workdir=--rm');
  });

  it.each(['SINGULARITY_RUN', 'SINGULARITY_START'] as const)(
    'is never an option of Singularity: %s',
    (kind) => {
      const { run } = singularity.phrase(
        aPlan({ ...old, runtimeOptions: [kind], containerArgs: args('--bind --writable') }),
      );
      const said = words(run.split(' || exit')[0] ?? '');
      expect(said.slice(said.indexOf('--'), said.indexOf('--') + 2)).toEqual(['--', './-hfX']);
      expect(said).toContain('--bind=--writable');
    },
  );

  it('is never an option of the programs that look for it and get it', () => {
    const preparation = docker.prepare(aPlan(old)).line;
    expect(preparation).toContain('docker image inspect -- -hfX');
    expect(preparation).toContain('docker pull -- -hfX');
  });
});
