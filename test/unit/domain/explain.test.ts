import { describe, expect, it } from 'vitest';

import { CONDITIONS } from '../../../domain/jobs/condition.js';
import { explain, type Facts } from '../../../domain/jobs/explain.js';
import type { Job } from '../../../domain/jobs/job.js';
import { reasonInWords } from '../../../domain/jobs/slurm-reasons.js';
import { STATUSES } from '../../../domain/jobs/status.js';
import { aPlan } from '../../support/a-plan.js';

const aJob = (more: Partial<Job> = {}): Job => ({
  uuid: '11111111-1111-4111-8111-111111111111-007', id: 1, tenant: 'dev', owner: 'alice', plan: aPlan({ hpcQueue: 'normal', maxMinutes: 30, memoryMB: 64_000 }),
  status: 'RUNNING', condition: null, lastMessage: 'Setting job status to RUNNING.', rev: 3, cancelRequested: false, created: '2026-01-01T10:00:00.000000Z',
  lastUpdated: '2026-01-01T10:00:00.000000Z', ended: null, visible: true, blockedCount: 0, remoteJobId: '42', remoteJobId2: null, launchedOn: null, remoteOutcome: null,
  remoteResultInfo: null, remoteQueue: null, remoteSubmitted: null, remoteStarted: null, remoteEnded: null, remoteSubmitRetries: 0,
  remoteChecksSuccess: 0, remoteChecksFailed: 0, remoteLastStatusCheck: null, archived: false, pausedMs: 0, usage: null, tags: [], notes: {}, ...more,
}); // prettier-ignore

const facts = (job: Partial<Job>, more: Partial<Facts> = {}): Facts => ({
  job: aJob(job), since: '2026-01-01T10:00:00.000000Z', now: '2026-01-01T10:12:00.000Z', seen: null, step: null, ahead: null, ...more,
}); // prettier-ignore

describe('explain', () => {
  it.each(STATUSES)('has a sentence for %s', (status) => {
    const ended = ['FINISHED', 'FAILED', 'CANCELLED'].includes(status) ? '2026-01-01T10:10:00.000000Z' : null;
    const { explanation, next } = explain(facts({ status, ended }));
    expect(explanation).toMatch(/^[A-Z].*[^.]\.$/s);
    expect(next).not.toBe('');
  });

  it('says what Slurm waits for, in words and in its own', () => {
    const { explanation, evidence, next } = explain(
      facts(
        { status: 'QUEUED' },
        { seen: { state: { is: 'queued', reason: 'PENDING: Resources' }, at: '2026-01-01T10:11:00Z' } },
      ),
    );
    expect(explanation).toBe(
      'Slurm job 42 waits in the queue normal: it is among the next, and waits until enough nodes, cores or memory are free.',
    );
    expect(evidence).toEqual(['squeue: PENDING: Resources']);
    expect(next).toContain('last looked at 2026-01-01T10:11:00Z');
  });

  it('knows the reason of a job that looked for itself', () => {
    const lastMessage = 'Slurm job 42 is PENDING: PartitionDown';
    const { explanation, next } = explain(facts({ status: 'QUEUED', lastMessage }));
    expect(explanation).toContain('its queue does not start jobs now');
    expect(next).toBe('Slurm starts it; Kilim hears of that at once.');
  });

  it('says how long it runs, without the time that it was paused', () => {
    const job = { remoteStarted: '2026-01-01T10:00:00.000000Z', pausedMs: 120_000 };
    expect(explain(facts(job)).explanation).toBe(
      'The application has been running for 10 minutes of at most 30 minutes.',
    );
  });

  it('tells what was moved so far', () => {
    const step = {
      activity: 'stageInputs',
      attempt: 1,
      lastFailure: null,
      nextTry: null,
      moved: { bytes: 5e6, files: 12 },
    };
    expect(explain(facts({ status: 'STAGING_INPUTS' }, { step })).evidence).toEqual([
      'moved so far: 5.0 MB in 12 files',
    ]);
  });

  it('names the cause of a block, what the last look said, and when the next one is', () => {
    const lastMessage =
      'h:22 cannot be reached: connect ECONNREFUSED. Kilim looks again by itself; the job goes on when the host answers.';
    const step = {
      activity: 'awaitRecovery',
      attempt: 4,
      lastFailure: 'h:22 cannot be reached',
      nextTry: '2026-01-01T10:13:00.000Z',
      moved: null,
    };
    const told = explain(facts({ status: 'BLOCKED', lastMessage }, { step }));
    expect(told.explanation).toContain('cannot be reached');
    expect(told.evidence).toContain('try 3 of awaitRecovery: h:22 cannot be reached');
    expect(told.next).toBe('It is looked at again at 2026-01-01T10:13:00.000Z, by itself.');
    expect(told.advice.join()).toContain('resume');
  });

  it.each([
    [0, 'it is the next in line'],
    [1, '1 job waits for the same limit since before it'],
    [7, '7 jobs wait for the same limit since before it'],
  ])('says how many wait before it: %i', (ahead, says) => {
    const lastMessage = 'The limit of 1 active job for system dev/h is reached.';
    expect(explain(facts({ status: 'BLOCKED', lastMessage }, { ahead })).evidence).toEqual([
      lastMessage,
      says,
    ]);
  });

  it.each([
    [true, 'stopRemote', 'The job is being cancelled, and waits until vm confirms that nothing of it runs any more.'],
    [false, 'stopRemote', 'The job is being ended, and waits until vm confirms that nothing of it runs any more.'],
    [true, 'submitJob', 'The job is being cancelled, and waits for the step that is under way to end.'],
  ])('says what an end waits for (cancelled: %s, step: %s)', (cancelRequested, activity, says) => {
    const nextTry = '2026-01-01T10:13:00.000Z';
    const step = { activity, attempt: 3, lastFailure: 'Slurm job 42 is RUNNING', nextTry, moved: null };
    const told = explain(facts({ status: 'RUNNING', cancelRequested }, { step }));
    expect(told.explanation).toBe(says);
    expect(told.evidence).toContain(`try 2 of ${activity}: Slurm job 42 is RUNNING`);
    expect(told.next).toContain(nextTry);
    const over = { status: 'FINISHED', cancelRequested, ended: nextTry } as const; // it came too late
    expect(explain(facts(over)).explanation).toBe('The job has finished well.');
  }); // prettier-ignore

  it('says by whom a job was paused', () => {
    const lastMessage = 'Paused by alice: lunch; 3 processes stopped (SIGSTOP).';
    expect(explain(facts({ status: 'PAUSED', lastMessage })).explanation).toBe(lastMessage);
  });

  it.each([
    ['SCHEDULER_OUT_OF_MEMORY', '64000 MB', 'memoryMB'],
    ['SCHEDULER_TIMEOUT', '30', 'maxMinutes'],
    ['JOB_REMOTE_OUTCOME_ERROR', 'the application itself', 'last lines'],
  ] as const)('says why %s ended a job and what helps', (condition, why, help) => {
    const told = explain(facts({ status: 'FAILED', condition, ended: '2026-01-01T10:10:00.000000Z' }));
    expect(told.explanation).toContain(why);
    expect(told.advice[0]).toContain(help);
  });

  it.each(CONDITIONS.filter((one) => one !== 'NORMAL_COMPLETION' && one !== 'CANCELLED_BY_USER'))(
    'has words and advice for a job that failed by %s',
    (condition) => {
      const told = explain(facts({ status: 'FAILED', condition, ended: '2026-01-01T10:10:00.000000Z' }));
      expect(told.explanation).toMatch(
        /^The job has failed \([A-Z_]+\): [a-z].{15,}\.$|: Kilim itself failed\.$/,
      );
      expect(told.advice).toHaveLength(2);
    },
  );

  it.each([
    ['The scheduler ended the application: NODE_FAIL.', 'no fault of the application', 'Submit it again'],
    ['The scheduler ended the application: BOOT_FAIL.', 'no fault of the application', 'Submit it again'],
    ['The application ended with exit code 143; the scheduler says PREEMPTED.', 'to make room', 'notes.kilim.repeatable'],
    ['The scheduler ended the application: it started the job a second time, and that was refused because the application is not repeatable.', 'may not run twice', 'notes.kilim.repeatable'],
    ['The application ended with exit code 3; the scheduler says FAILED. Its last lines:\nNODE_FAIL is what I say', 'the application itself', 'last lines'],
  ])('says whose fault an end by Slurm is: %s', (lastMessage, why, help) => {
    const ended = '2026-01-01T10:10:00.000000Z';
    const told = explain(facts({ status: 'FAILED', condition: 'SCHEDULER_TERMINATED', lastMessage, ended }));
    expect(told.explanation).toContain(why);
    expect(told.advice[0]).toContain(help);
  }); // prettier-ignore

  it('says what a run used of what it asked for', () => {
    const job = { remoteStarted: '2026-01-01T10:00:00.000000Z', remoteEnded: '2026-01-01T10:10:00.000000Z' };
    const usage = { elapsedMs: 600_000, cpuMs: 1_234_500, peakMemoryKB: 3_000 * 1024 };
    const told = explain(facts({ ...job, status: 'FINISHED', ended: job.remoteEnded, usage }));
    expect(told.evidence).toEqual([
      'ran for 10 minutes; asked for 30 minutes',
      'used 1234.5 seconds of processor time',
      'asked for 64000 MB of memory, used 3000 MB',
    ]);
  });

  it('tells of an engine that is away', () => {
    const told = explain(facts({ status: 'PENDING' }, { step: undefined }));
    expect(told.next).toContain('engine does not answer');
  });
});

describe('a reason of Slurm', () => {
  it.each([
    ['Priority', 'higher priority'],
    ['PENDING: QOSMaxJobsPerUserLimit', 'so many of your jobs'],
    ['AssocGrpCpuLimit', 'processors, nodes or memory'],
    ['ReqNodeNotAvail, UnavailableNodes:n1', 'drained'],
    ['PartitionTimeLimit', 'will not start'],
    ['BadConstraints', 'no node can ever'],
    ['JobHeldUser', 'held'],
    ['AssocMaxWallDurationPerJobLimit', 'a limit of your account'],
  ])('%s is told in words', (reason, words) => expect(reasonInWords(reason).says).toContain(words));

  it('that nobody knows is given back', () => expect(reasonInWords('Quux').says).toBe('Slurm says Quux'));
});
