import { readFileSync } from 'node:fs';

import { describe, expect, it } from 'vitest';

import { outcomeOf } from '../../../domain/jobs/outcome.js';
import { settleSlurm, slurmSnapshot } from '../../../schedulers/slurm-settle.js';
import { meaningOfState } from '../../../schedulers/slurm-states.js';
import { aPlan } from '../../support/a-plan.js';

const settled = (said: string[], more = {}) =>
  settleSlurm(aPlan(more), '5', 'inst').parse({ stdout: said.join('\n'), stderr: '', exitCode: 0 });

describe('one look at the queue', () => {
  const { parse } = slurmSnapshot('inst');
  const uuid = (digit: number): string => `${String(digit).repeat(8)}-1111-4111-8111-111111111111-007`;

  it('tells of the jobs of this installation only, with the reason for their waiting', () => {
    const stdout = readFileSync(new URL('../../fixtures/slurm-24.11/squeue.txt', import.meta.url), 'utf8');
    expect(parse({ stdout, stderr: '', exitCode: 0 })).toEqual({
      [uuid(1)]: { is: 'running' },
      [uuid(2)]: { is: 'queued', reason: 'PENDING: PartitionDown' },
      [uuid(3)]: { is: 'over', exitCode: null, word: 'FAILED' },
      [uuid(4)]: { is: 'queued', reason: 'PENDING: JobHeldUser' },
    });
  });

  it('is no look when squeue failed', () => {
    expect(() => parse({ stdout: '', stderr: 'slurm_load_jobs error', exitCode: 1 })).toThrow(
      'slurm_load_jobs',
    );
  });
});

describe('the states of the manual', () => {
  it.each([
    ['PENDING', 'queued'], ['REQUEUED', 'queued'], ['REQUEUE_HOLD', 'queued'], ['REQUEUE_FED', 'queued'], ['RESV_DEL_HOLD', 'queued'],
    ['SPECIAL_EXIT', 'queued'], ['CONFIGURING', 'queued'], ['POWER_UP_NODE', 'queued'], ['RUNNING', 'running'], ['RESIZING', 'running'],
    ['SIGNALING', 'running'], ['STAGE_OUT', 'running'], ['COMPLETING', 'running'], ['EXPEDITING', 'running'], ['UPDATE_DB', 'running'], ['SUSPENDED', 'suspended'],
    ['STOPPED', 'suspended'],
  ])('%s is %s', (word, is) => {
    expect(meaningOfState(word)).toEqual({ is });
  }); // prettier-ignore

  it.each([
    ['COMPLETED', null], ['FAILED', 'SCHEDULER_TERMINATED'], ['BOOT_FAIL', 'SCHEDULER_TERMINATED'], ['NODE_FAIL', 'SCHEDULER_TERMINATED'],
    ['PREEMPTED', 'SCHEDULER_TERMINATED'], ['REVOKED', 'SCHEDULER_TERMINATED'], ['LAUNCH_FAILED', 'SCHEDULER_TERMINATED'],
    ['RECONFIG_FAIL', 'SCHEDULER_TERMINATED'], ['CANCELLED', 'SCHEDULER_CANCELLED'], ['CANCELLED by 0', 'SCHEDULER_CANCELLED'],
    ['CANCELLED+', 'SCHEDULER_CANCELLED'], ['DEADLINE', 'SCHEDULER_DEADLINE'], ['OUT_OF_MEMORY', 'SCHEDULER_OUT_OF_MEMORY'],
    ['TIMEOUT', 'SCHEDULER_TIMEOUT'],
  ])('%s is an end with the condition %s', (word, condition) => {
    expect(meaningOfState(word)).toEqual({ is: 'over', condition });
  }); // prettier-ignore

  it('another word is none', () => {
    expect(meaningOfState('ON_FIRE')).toBeNull();
    expect(settled(['slurm ON_FIRE None 0:0'])).toMatchObject({ is: 'unknown' });
  });
});

describe('the last word on a job', () => {
  it.each([
    ['an own good end needs nobody', ['exit 0 1000 3000 0'], { is: 'over', exitCode: 0, elapsedMs: 2000 }],
    ['a bad end has the code of the record and the word of Slurm', ['exit 3 0 5 1', 'slurm FAILED NonZeroExitCode 3:0'], { exitCode: 3, word: 'FAILED', condition: 'SCHEDULER_TERMINATED' }],
    ['a bad end waits for that word', ['exit 3 0 5 1', 'slurm COMPLETING None 0:0'], { is: 'running' }],
    ['but not for ever', ['exit 3 0 5 31', 'slurm COMPLETING None 0:0'], { exitCode: 3, condition: 'SCHEDULER_TERMINATED' }],
    ['without Slurm and accounting the record stands', ['exit 3 0 5 1', 'gone'], { exitCode: 3, condition: 'SCHEDULER_TERMINATED' }],
    ['a time limit', ['exit 143 0 5 1', 'slurm TIMEOUT TimeLimit 0:15'], { exitCode: 143, condition: 'SCHEDULER_TIMEOUT' }],
    ['a time limit that the application took calmly', ['exit 0 0 5 1', 'slurm TIMEOUT TimeLimit 0:15'], { exitCode: 0, condition: 'SCHEDULER_TIMEOUT' }],
    ['a signal and a good end all the same', ['exit 0 0 5 1', 'slurm COMPLETED None 0:0'], { is: 'over', exitCode: 0 }],
    ['out of memory, nothing recorded', ['slurm OUT_OF_MEMORY OutOfMemory 0:125', 'lost 0'], { exitCode: null, condition: 'SCHEDULER_OUT_OF_MEMORY' }],
    ['a lost node', ['slurm NODE_FAIL None 0:0', 'lost 0'], { exitCode: null, condition: 'SCHEDULER_TERMINATED', word: 'NODE_FAIL' }],
    ['an administrator', ['slurm CANCELLED None 0:15', 'lost 0', 'acct CANCELLED by 0|0:15'], { exitCode: 143, word: 'CANCELLED by 0', condition: 'SCHEDULER_CANCELLED' }],
    ['only accounting remembers', ['gone', 'lost 3', 'acct PREEMPTED|0:0'], { exitCode: null, word: 'PREEMPTED', condition: 'SCHEDULER_TERMINATED' }],
    ['in no list is unknown', ['gone', 'lost 5'], { is: 'unknown' }],
    ['Slurm began anew and forgot it: is unknown at first', ['gone', 'lost 19', 'forgotten'], { is: 'unknown' }],
    ['then it is to be launched again', ['gone', 'lost 20', 'forgotten'], { is: 'forgotten' }],
    ['however long nobody looked', ['gone', 'lost 4000', 'forgotten'], { is: 'forgotten' }],
    ['even where accounting tells of its successor', ['gone', 'lost 20', 'forgotten', 'acct COMPLETED|0:0'], { is: 'forgotten' }],
    ['and not where it says who cancelled it', ['gone', 'lost 20', 'forgotten', 'acct CANCELLED by 0|0:15'], { condition: 'SCHEDULER_CANCELLED' }],
    ['for a while', ['gone', 'lost 121'], { is: 'over', exitCode: null }],
    ['COMPLETED without a record is unknown', ['slurm COMPLETED None 0:0', 'lost 5'], { is: 'unknown' }],
    ['for a while, too', ['slurm COMPLETED None 0:0', 'lost 121'], { is: 'over', exitCode: null }],
    ['a second start was refused', ['refused 1', 'slurm COMPLETED None 0:0', 'lost 1'], { exitCode: null, condition: 'SCHEDULER_TERMINATED' }],
    ['a controller that is away', ['silent Unable to contact slurm controller'], { is: 'unknown' }],
    ['why it waits', ['slurm PENDING QOSMaxJobsPerUserLimit 0:0'], { is: 'queued', reason: 'PENDING: QOSMaxJobsPerUserLimit' }],
    ['for how long it has run', ['slurm RUNNING None 0:0 1-02:03:04'], { is: 'running', ranMs: 93_784_000 }],
    ['nothing said', [], { is: 'unknown' }],
  ])('%s', (_words, said, state) => {
    expect(settled(said)).toMatchObject(state);
  }); // prettier-ignore

  it('of a requeued run that may not run twice is its end', () => {
    expect(settled(['exit 143 0 5 600', 'slurm PENDING BeginTime 0:0'])).toMatchObject({
      is: 'over',
      exitCode: 143,
    });
  });

  it('reaches people with word, code and condition', () => {
    const state = settled(['slurm NODE_FAIL None 0:0', 'lost 0']);
    if (state.is !== 'over') throw new Error('it is over');
    expect(outcomeOf(aPlan({ jobType: 'BATCH' }), state)).toMatchObject({
      remoteOutcome: 'FAILED',
      condition: 'SCHEDULER_TERMINATED',
      message: expect.stringContaining('NODE_FAIL') as string,
    });
  });
});
