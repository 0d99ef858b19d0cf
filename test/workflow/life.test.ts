import { WorkflowFailedError } from '@temporalio/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import type { BlockedBy } from '../../activities/await-recovery.js';
import { ACTIVE } from '../../domain/jobs/status.js';
import { busyDelay } from '../../domain/jobs/waiting.js';
import { pause, remoteHint, resourceFreed, resume } from '../../workflows/messages.js';
import { anEngine, failure, finished, type Engine, type Life, type Steps } from './engine.js';
import { ANSWER, failing, hanging, STEP_OF, WHOLE } from './steps.js';

/* The life of one job on a real Temporal server, with fake steps: every move of the table, every signal, every end. */

let engine: Engine;
beforeAll(async () => {
  engine = await anEngine();
}, 120_000);
afterAll(() => engine.stop());

const statusOf = async ({ handle }: Life): Promise<string> => (await handle.describe()).status.name;

describe('a job', { concurrent: true }, () => {
  it('goes through every status once, in few events', async () => {
    const life = await engine.live();
    expect(await life.handle.result()).toEqual({ status: 'FINISHED', condition: 'NORMAL_COMPLETION' });
    expect(life.statuses()).toEqual(WHOLE);
    expect(life.records.map(({ rev }) => rev)).toEqual(WHOLE.map((_status, index) => index + 1));
    expect(await statusOf(life)).toBe('COMPLETED');
    const { events } = await engine.history(life);
    expect(events?.length).toBeLessThanOrEqual(70);
    await engine.keep(life, 'uneventful');
  });

  it('skips what is not needed: directories, inputs, the queue, the archive', async () => {
    const life = await engine.live({
      admitJob: () => Promise.resolve({ inputs: false, directories: false }),
      submitJob: () => Promise.resolve({ remoteJobId: '7', host: 'here', isQueued: false }),
      awaitRemoteEnd: () => Promise.resolve({ ...finished, archive: false }),
    });
    await life.handle.result();
    for (const step of ['makeDirectories', 'stageInputs', 'awaitRemoteStart', 'archiveOutputs'] as const)
      expect(life.calls).not.toContain(step);
    expect(life.statuses()).toEqual(WHOLE);
    await engine.keep(life, 'direct');
  });

  it('that is over as soon as it has started is waited for once', async () => {
    const life = await engine.live({ awaitRemoteStart: () => Promise.resolve(finished) });
    expect(await life.handle.result()).toEqual({ status: 'FINISHED', condition: 'NORMAL_COMPLETION' });
    expect(life.calls).not.toContain('awaitRemoteEnd');
    expect(life.statuses()).toEqual(WHOLE);
    await engine.keep(life, 'quick');
  });

  it('that failed as a job has done well as a workflow', async () => {
    const life = await engine.live({
      awaitRemoteEnd: () =>
        Promise.resolve({
          ...finished, remoteOutcome: 'FAILED' as const, remoteResultInfo: '3', condition: 'JOB_REMOTE_OUTCOME_ERROR' as const, message: 'The application ended with exit code 3.',
        }), // prettier-ignore
    });
    expect(await life.handle.result()).toEqual({ status: 'FAILED', condition: 'JOB_REMOTE_OUTCOME_ERROR' });
    expect(life.statuses()).toEqual([...ACTIVE.slice(1), 'FAILED']);
    expect(await life.until('FAILED')).toMatchObject({ message: 'The application ended with exit code 3.' });
    expect(await statusOf(life)).toBe('COMPLETED');
    await engine.keep(life, 'failed');
  });

  it.each([
    ['PROCESSING_INPUTS', 'REMOTE_ACCESS_DENIED', 'JOB_REMOTE_ACCESS_ERROR'],
    ['STAGING_INPUTS', 'TRANSFER_FAILED', 'JOB_TRANSFER_FAILED_OR_CANCELLED'],
    ['STAGING_JOB', 'STAGE_JOB_FAILED', 'JOB_UNABLE_TO_STAGE_JOB'],
    ['SUBMITTING_JOB', 'LAUNCH_FAILED', 'JOB_LAUNCH_FAILURE'],
    ['RUNNING', 'REMOTE_COMMAND_FAILED', 'JOB_REMOTE_ACCESS_ERROR'],
    ['ARCHIVING', 'ARCHIVING_FAILED', 'JOB_ARCHIVING_FAILED'],
    ['STAGING_JOB', 'INTERNAL', 'JOB_INTERNAL_ERROR'],
  ] as const)('fails in %s by %s as %s, and nothing is left running', async (status, code, condition) => {
    const life = await engine.live({ [STEP_OF[status]]: () => Promise.reject(failure(code)) });
    expect(await life.handle.result()).toEqual({ status: 'FAILED', condition });
    expect(life.statuses().at(-2)).toBe(status);
    const wasLaunched = ACTIVE.indexOf(status) >= ACTIVE.indexOf('SUBMITTING_JOB');
    expect(life.calls.includes('stopRemote')).toBe(wasLaunched);
  });

  it('tries again by itself what nobody foresaw', async () => {
    let left = 1;
    const life = await engine.live({
      stageJob: () => (left-- > 0 ? Promise.reject(new Error('a bad moment')) : Promise.resolve()),
    });
    await life.handle.result();
    expect(life.statuses()).toEqual(WHOLE);
    expect(life.calls.filter((step) => step === 'stageJob')).toHaveLength(2);
  });

  it('is taken up where it stood after its workflow was lost', async () => {
    const life = await engine.live({}, { rev: 9, from: 'RUNNING' });
    await life.handle.result();
    expect(life.statuses()).toEqual(['RUNNING', 'ARCHIVING', 'FINISHED']);
    expect(life.records[0]?.rev).toBe(10);
    expect(life.calls).not.toContain('submitJob');
  });

  it('outlives a worker that vanishes in the middle of a step', async () => {
    let isFirst = true;
    const life = await engine.live({
      stageJob: () => {
        if (!isFirst) return Promise.resolve();
        isFirst = false;
        return new Promise((resolve) => setTimeout(resolve, 24_000)); // no heartbeat, and an end that nobody awaits
      },
    });
    await life.handle.result();
    expect(life.statuses()).toEqual(WHOLE);
    await engine.keep(life, 'worker-lost');
  }, 60_000);
});

describe('BLOCKED', { concurrent: true }, () => {
  it.each([
    ['PENDING', 'QUOTA_EXCEEDED', 'The job starts when another one ends.'],
    ['PENDING', 'APPLICATION_NOT_AVAILABLE', 'Enable the application'],
    ['PROCESSING_INPUTS', 'HOST_UNREACHABLE', 'Kilim looks again by itself'],
    ['STAGING_INPUTS', 'DISK_FULL', 'Free space'],
    ['STAGING_JOB', 'HOST_LOGIN_REFUSED', 'working credential'],
    ['SUBMITTING_JOB', 'SCHEDULER_UNAVAILABLE', 'never twice'],
    ['QUEUED', 'HOST_TIMEOUT', 'Kilim looks again by itself'],
    ['RUNNING', 'HOST_KEY_CHANGED', 'accept the new host key'],
    ['ARCHIVING', 'SYSTEM_NOT_AVAILABLE', 'Enable the system'],
  ] as const)('in %s by %s says what to do, and goes on where it was', async (status, code, cure) => {
    const step = STEP_OF[status];
    const life = await engine.live({ [step]: failing(code, 1, ANSWER[step]) });
    await life.handle.result();
    const at = life.statuses().indexOf('BLOCKED');
    expect(life.records[at]?.message).toContain(`it is ${code}`);
    expect(life.records[at]?.message).toContain(cure);
    expect(life.statuses()[at + 1]).toBe(status);
    expect(life.statuses().at(-1)).toBe('FINISHED');
    if (code === 'HOST_UNREACHABLE') await engine.keep(life, 'blocked');
  });

  it('tests where it failed, and does not hurry when it comes again', async () => {
    const asked: BlockedBy[] = [];
    const life = await engine.live({
      stageInputs: failing('HOST_UNREACHABLE', 2, undefined),
      awaitRecovery: (_uuid, cause) => Promise.resolve(void asked.push(cause)),
    });
    await life.handle.result();
    const since = asked[0]?.since; // both are one wait
    expect(asked).toEqual(
      [0, 1].map((round) => ({ code: 'HOST_UNREACHABLE', round, since, systemId: 'host' })),
    );
    expect(Math.abs(Date.now() - (since ?? 0))).toBeLessThan(60_000);
  });

  it('ends as JOB_RECOVERY_TIMEOUT when its time is over', async () => {
    const life = await engine.live({
      makeDirectories: failing('HOST_LOGIN_REFUSED', 1, undefined),
      awaitRecovery: () =>
        Promise.reject(failure('RECOVERY_TIMEOUT', 'The job was BLOCKED for 2880 minutes.')),
    });
    expect(await life.handle.result()).toEqual({ status: 'FAILED', condition: 'JOB_RECOVERY_TIMEOUT' });
  });

  it.each([
    ['a freed place', resourceFreed],
    ['a resume', resume],
  ])('is left at once by %s', async (_what, signal) => {
    const life = await engine.live({
      admitJob: failing('QUOTA_EXCEEDED', 1, { inputs: false, directories: true }),
      awaitRecovery: hanging,
    });
    await life.until('BLOCKED');
    await life.handle.signal(signal as typeof resourceFreed);
    await life.handle.result();
    expect(life.statuses().at(-1)).toBe('FINISHED');
  });

  it('can be paused and cancelled', async () => {
    const steps: Steps = {
      makeDirectories: () => Promise.reject(failure('HOST_UNREACHABLE')),
      awaitRecovery: hanging,
    };
    const life = await engine.live(steps);
    await life.until('BLOCKED');
    await life.handle.signal(pause);
    await life.until('PAUSED');
    await life.handle.cancel();
    await expect(life.handle.result()).rejects.toThrow(WorkflowFailedError);
    expect(await statusOf(life)).toBe('CANCELLED');
    const other = await engine.live(steps);
    await other.until('BLOCKED');
    await other.handle.cancel();
    await expect(other.handle.result()).rejects.toThrow(WorkflowFailedError);
    expect(other.statuses().at(-1)).toBe('CANCELLED');
  });
});

describe('waiting', { concurrent: true }, () => {
  it('fails and comes again without an event of its own', async () => {
    const life = await engine.live({ awaitRemoteEnd: failing('NOT_YET', 2, finished) });
    await life.handle.result();
    const { events } = await engine.history(life);
    expect(events?.length).toBeLessThanOrEqual(70);
    expect(life.calls.filter((step) => step === 'awaitRemoteEnd')).toHaveLength(3);
  });

  it('for a large image may take a day, although each look at it is a try', async () => {
    const life = await engine.live({});
    await life.handle.result();
    const { events } = await engine.history(life);
    const scheduled = events
      ?.map(({ activityTaskScheduledEventAttributes: attributes }) => attributes)
      .find((attributes) => attributes?.activityType?.name === 'stageJob');
    expect(scheduled?.retryPolicy?.maximumAttempts).toBeGreaterThan((24 * 3600_000) / busyDelay(1_000));
  });

  it("in a queue is told in the operators' window by its reason", async () => {
    const reasons = ['other jobs go first', 'it is among the next'];
    let isStarted = false;
    const life = await engine.live({
      awaitRemoteStart: () => {
        const waits = reasons.shift();
        return waits ? Promise.resolve({ waits }) : isStarted ? Promise.resolve(null) : hanging();
      },
    });
    const details = async (): Promise<string> =>
      (await life.handle.query<{ currentDetails: string }>('__temporal_workflow_metadata')).currentDetails;
    await expect
      .poll(details, { timeout: 10_000 })
      .toMatch(/\*\*QUEUED\*\* since .*: it is among the next\./);
    isStarted = true;
    await life.handle.signal(remoteHint);
    expect(await life.handle.result()).toMatchObject({ status: 'FINISHED' });
    expect(await details()).toMatch(/\*\*FINISHED\*\*/);
  });

  it('ends by a hint', async () => {
    let isOver = false;
    const life = await engine.live({
      awaitRemoteEnd: () => (isOver ? Promise.resolve(finished) : hanging()),
    });
    await life.until('RUNNING');
    isOver = true;
    await life.handle.signal(remoteHint);
    await life.handle.result();
    expect(life.statuses()).toEqual(WHOLE);
  });

  it('stops a run whose time is over', async () => {
    const life = await engine.live({
      awaitRemoteEnd: () =>
        Promise.resolve({
          ...finished, expired: true, archive: false, remoteOutcome: 'FAILED_SKIP_ARCHIVE' as const, condition: 'JOB_EXECUTION_MONITORING_TIMEOUT' as const,
        }), // prettier-ignore
    });
    expect(await life.handle.result()).toEqual({
      status: 'FAILED',
      condition: 'JOB_EXECUTION_MONITORING_TIMEOUT',
    });
    expect(life.calls).toContain('stopRemote');
  });
});
