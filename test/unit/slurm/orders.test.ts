import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import type { RemoteCommand } from '../../../domain/remote-command.js';
import { slurm } from '../../../schedulers/slurm.js';
import { aPlan } from '../../support/a-plan.js';

/* The orders for a login node, run here, with a scontrol and a scancel that say what the test wants. */

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'kilim-orders-'));
  mkdirSync(join(folder, 'bin'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const program = (name: string, text: string): void => {
  writeFileSync(join(folder, 'bin', name), `#!/bin/sh\n${text}\n`);
  chmodSync(join(folder, 'bin', name), 0o755);
};
/** `shows` is what it says of the job, `does` what an order comes to. */
const scontrol = (shows: string, does = 'exit 0'): void =>
  program('scontrol', `[ "$1" = show ] && { ${shows}; exit; }\n: > ${folder}/"$1"\n${does}`);
const refuses = (words: string): string => `echo "slurm_suspend error: ${words}" >&2; exit 1`;

const run = <T>({ line, parse }: RemoteCommand<T>): T => {
  const { status, stdout, stderr } = spawnSync('bash', ['--noprofile', '--norc', '-c', line], {
    encoding: 'utf8',
    env: { ...process.env, HOME: folder, PATH: `${folder}/bin:${process.env['PATH'] ?? ''}` },
  });
  return parse({ stdout, stderr, exitCode: status });
};
const plan = () => {
  const paths = { rootDir: '/', execDir: folder, inputDir: folder, outputDir: `${folder}/output` };
  return aPlan({ jobType: 'BATCH', keeper: 'slurm', paths });
};
const give = (what: 'hold' | 'release') => run(slurm[what](plan(), '7', 'inst'));
const cancel = () => run(slurm.cancel(plan(), '7', 'inst'));

const is = (state: string): string => `echo JobId=7 JobState=${state} Reason=None`;
const AWAY = refuses('Unable to contact slurm controller (connect failure)');
const UNKNOWN = refuses('Invalid job id specified');
const DENIED = refuses('Access/permission denied');

describe('an order', () => {
  it.each([
    ['hold', 'PENDING', 'hold'],
    ['hold', 'RUNNING', 'suspend'],
    ['release', 'PENDING', 'release'],
    ['release', 'SUSPENDED', 'resume'],
  ] as const)('%s of a job that is %s is scontrol %s', (what, state, word) => {
    scontrol(is(state));
    expect(give(what)).toMatchObject({ done: true, said: expect.stringContaining(`scontrol ${word}`) as string }); // prettier-ignore
    expect(existsSync(join(folder, word))).toBe(true);
  });

  it.each([
    ['hold', is('RUNNING'), DENIED, /^Slurm job 7 goes on running, because this site lets only operators suspend it/],
    ['hold', is('RUNNING'), refuses('Job has already finished'), /goes on, because Slurm says: .*already finished; only the steps of Kilim/],
    ['hold', is('PENDING'), DENIED, /goes on, because Slurm says: .*permission denied/],
    ['hold', is('COMPLETED'), 'exit 9', /is COMPLETED/],
    ['hold', UNKNOWN, 'exit 9', /not known to Slurm/],
    ['release', is('PENDING'), DENIED, /permission denied/], // held by an administrator too
  ] as const)('%s that Slurm refuses is answered in words', (what, shows, does, says) => {
    scontrol(shows, does);
    const { done, said } = give(what);
    expect(done).toBe(false);
    expect(said).toMatch(says);
  }); // prettier-ignore

  it.each([
    ['hold', AWAY, 'exit 9'],
    ['hold', is('PENDING'), AWAY],
    ['hold', is('RUNNING'), AWAY],
    ['hold', is('PENDING'), 'exit 124'],
    ['release', AWAY, 'exit 9'],
    ['release', is('PENDING'), AWAY],
    ['release', is('SUSPENDED'), refuses('Requested nodes are busy')],
  ] as const)('%s that may not have reached Slurm is given again', (what, shows, does) => {
    scontrol(shows, does);
    expect(() => give(what)).toThrow(expect.objectContaining({ code: 'SCHEDULER_UNAVAILABLE' }));
  });

  it('to go on is none for a job that Slurm has forgotten', () => {
    scontrol(UNKNOWN, 'exit 9');
    expect(give('release')).toEqual({ done: true, said: 'Slurm job 7 is not known to Slurm' });
  });
});

describe('a cancel', () => {
  it.each([
    [is('CANCELLED'), []],
    [UNKNOWN, []],
    [is('RUNNING'), ['Slurm job 7 is RUNNING', expect.stringContaining('Unable to contact')]],
    [AWAY, [expect.stringMatching(/^Slurm job 7, perhaps: .*Unable to contact/), expect.stringContaining('Unable to contact')]],
  ])('whose scancel fails is done only where Slurm says so, and does not wait: %s', (shows, left) => {
    program('scancel', AWAY);
    scontrol(shows);
    expect(cancel()).toEqual({ left });
  }, 5_000); // prettier-ignore

  it('and every order and look leaves another job alone that Slurm gave the same number', () => {
    program('scancel', `: > ${folder}/scancel`);
    const another = `${is('RUNNING')} Comment=kilim:inst:22222222-2222-4222-8222-222222222222-007`;
    scontrol(another);
    expect(cancel()).toEqual({ left: [] });
    expect(give('hold')).toEqual({ done: false, said: 'Slurm job 7 is not known to Slurm' });
    expect(run(slurm.settle(plan(), '7', 'inst'))).toMatchObject({ is: 'unknown' });
    expect(['scancel', 'suspend'].filter((name) => existsSync(join(folder, name)))).toEqual([]);
    scontrol(`${is('RUNNING')} Comment=kilim:inst:${plan().uuid} words`);
    expect(run(slurm.settle(plan(), '7', 'inst'))).toEqual({ is: 'running' });
    expect(give('hold').done).toBe(true);
  });

  it('or another person', () => {
    scontrol(
      `${is('RUNNING')}; echo "   UserId=somebody(${(process.geteuid?.() ?? 0) + 1}) GroupId=somebody(1)"`,
    );
    expect(run(slurm.settle(plan(), '7', 'inst'))).toMatchObject({ is: 'unknown' });
    scontrol(`${is('RUNNING')}; echo "   UserId=me(${process.geteuid?.() ?? 0}) GroupId=somebody(1)"`);
    expect(run(slurm.settle(plan(), '7', 'inst'))).toEqual({ is: 'running' });
  });

  it('or one that was submitted by hand with another script', () => {
    program('scancel', `: > ${folder}/scancel`);
    scontrol(`${is('RUNNING')}; echo "   Command=(null)"; echo "   WorkDir=/home/me/tapisjob.sh"`);
    expect(cancel()).toEqual({ left: [] });
    expect(run(slurm.settle(plan(), '7', 'inst'))).toMatchObject({ is: 'unknown' });
    expect(existsSync(join(folder, 'scancel'))).toBe(false);
    scontrol(`${is('RUNNING')}; echo "   Command=/a b/tapisjob.sh"; echo "   WorkDir=/a b"`);
    expect(run(slurm.settle(plan(), '7', 'inst'))).toEqual({ is: 'running' });
  });

  it('waits for the last processes of the job', () => {
    program('scancel', 'exit 0');
    scontrol(
      `if [ -e ${folder}/asked ]; then ${is('CANCELLED')}; else : > ${folder}/asked; ${is('COMPLETING')}; fi`,
    );
    expect(cancel()).toEqual({ left: [] });
  });
});
