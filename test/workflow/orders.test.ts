import { WorkflowFailedError } from '@temporalio/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { ACTIVE } from '../../domain/jobs/status.js';
import { pause, resume } from '../../workflows/messages.js';
import { anEngine, failure, finished, type Engine, type Life, type Steps } from './engine.js';
import { ANSWER, failing, hanging, STEP_OF } from './steps.js';

/* What people ask of a job while it lives: to end, to hold, to go on. */

let engine: Engine;
beforeAll(async () => {
  engine = await anEngine();
}, 120_000);
afterAll(() => engine.stop());

const statusOf = async ({ handle }: Life): Promise<string> => (await handle.describe()).status.name;

describe('a cancel', { concurrent: true }, () => {
  it.each(ACTIVE.slice(1))('in %s ends the job, verified where something may run', async (status) => {
    const life = await engine.live({ [STEP_OF[status]]: hanging, ...(status === 'SUBMITTING_JOB' ? { submitJob: late } : {}) } as Steps); // prettier-ignore
    await life.until(status);
    await life.handle.cancel();
    await expect(life.handle.result()).rejects.toThrow(WorkflowFailedError);
    expect(await statusOf(life)).toBe('CANCELLED');
    expect(life.records.at(-1)).toMatchObject({ status: 'CANCELLED', condition: 'CANCELLED_BY_USER' });
    expect(life.calls.includes('stopRemote')).toBe(
      ACTIVE.indexOf(status) >= ACTIVE.indexOf('SUBMITTING_JOB'),
    );
    if (status === 'RUNNING') await engine.keep(life, 'cancelled');
  });
  /** A launch that was sent is waited for: only then is it known what to stop. */
  const late = async () => {
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    return ANSWER['submitJob'];
  };

  it('waits for a step that works, and begins no other although it ended well', async () => {
    let ended = 0;
    const life = await engine.live({
      stageJob: async () => {
        await hanging().catch(() => undefined);
        await new Promise((resolve) => setTimeout(resolve, 300));
        ended = Date.now();
      },
    });
    await life.until('STAGING_JOB');
    await life.handle.cancel();
    await life.until('CANCELLED');
    expect(Date.now()).toBeGreaterThanOrEqual(ended);
    expect(ended).not.toBe(0);
    expect(life.calls).not.toContain('submitJob');
    // the launch files are on the host, with the values of the environment
    expect(life.calls).toContain('stopRemote');
    await expect(life.handle.result()).rejects.toThrow(WorkflowFailedError);
  });

  it('of a job that was never launched waits some minutes for its host, not a day', async () => {
    const life = await engine.live({
      stageJob: () => hanging().catch(() => undefined), // it ends well although it is cancelled
      stopRemote: () => Promise.reject(failure('HOST_UNREACHABLE', 'the host does not answer')),
    });
    await life.until('STAGING_JOB');
    await life.handle.cancel();
    await expect(life.handle.result()).rejects.toThrow(WorkflowFailedError);
    expect(life.records.at(-1)).toMatchObject({
      status: 'CANCELLED',
      message: expect.stringContaining('was never launched') as string,
    });
    const { events } = await life.handle.fetchHistory();
    const asked = events
      ?.map(({ activityTaskScheduledEventAttributes: of }) => of)
      .find((of) => of?.activityType?.name === 'stopRemote');
    expect(Number(asked?.scheduleToCloseTimeout?.seconds)).toBe(180);
    expect(asked?.retryPolicy?.maximumAttempts ?? 0).toBe(0);
  });

  it('before the first task, and twice, ends it as well', async () => {
    const life = await engine.live({ makeDirectories: hanging });
    await life.handle.cancel();
    await life.handle.cancel().catch(() => undefined);
    await expect(life.handle.result()).rejects.toThrow(WorkflowFailedError);
    expect(life.statuses().at(-1)).toBe('CANCELLED');
  });

  it('ends as one where the step was about to try again', async () => {
    const life = await engine.live({
      stageJob: () => hanging().catch(() => Promise.reject(failure('NOT_YET', 'the image is pulled'))),
    });
    await life.until('STAGING_JOB');
    await life.handle.cancel();
    await expect(life.handle.result()).rejects.toThrow(WorkflowFailedError);
    expect(life.statuses().at(-1)).toBe('CANCELLED');
  });

  it('says so where it cannot be verified that nothing runs', async () => {
    const life = await engine.live({
      awaitRemoteEnd: hanging,
      stopRemote: () => Promise.reject(failure('REMOTE_COMMAND_FAILED', 'Still running on host: 4711')),
    });
    await life.until('RUNNING');
    await life.handle.cancel();
    await expect(life.handle.result()).rejects.toThrow(WorkflowFailedError);
    expect(life.records.at(-1)?.message).toMatch(/Warning: .*4711/);
  });

  it('after a lost workflow stops what may have been launched', async () => {
    const life = await engine.live({ admitJob: hanging }, { rev: 9, from: 'PENDING', mayRun: true });
    await life.handle.cancel();
    await expect(life.handle.result()).rejects.toThrow(WorkflowFailedError);
    expect(life.calls).toContain('stopRemote');
  });
});

describe('a pause', { concurrent: true }, () => {
  it('before the launch holds there, whatever the order of the signals', async () => {
    let letGo: () => void = () => undefined;
    const signalled = new Promise<void>((resolve) => (letGo = resolve));
    const life = await engine.live({ makeDirectories: () => signalled });
    await life.until('PROCESSING_INPUTS');
    await life.handle.signal(resume); // of nothing
    await life.handle.signal(pause, { by: 'alice', reason: 'quota talks' });
    await life.handle.signal(pause);
    letGo();
    const { message } = await life.until('PAUSED');
    expect(message).toBe('Paused by an operator; nothing runs on the host.');
    expect(life.calls).not.toContain('submitJob');
    await life.handle.signal(resume);
    await life.handle.signal(resume);
    await life.handle.result();
    expect(life.statuses().filter((status) => status === 'PAUSED')).toHaveLength(1);
    expect(life.statuses().at(-1)).toBe('FINISHED');
  });

  it('after a launch that nobody answered does not say that nothing runs', async () => {
    const submitted = { remoteJobId: '42', host: 'alice@host:22', isQueued: true };
    const life = await engine.live({ submitJob: failing('SCHEDULER_UNAVAILABLE', 1, submitted), awaitRecovery: hanging }); // prettier-ignore
    await life.until('BLOCKED');
    await life.handle.signal(pause, { by: 'alice' });
    const { message } = await life.until('PAUSED');
    expect(message).toBe(
      'Paused by alice; it may be on the host already, which is found out when it is resumed.',
    );
    await life.handle.signal(resume);
    await life.handle.result();
    expect(life.statuses().at(-1)).toBe('FINISHED');
  });

  it.each([
    ['a resume, then a pause', [resume, pause], true],
    ['a pause, then a resume', [pause, resume], false],
  ] as const)(
    'before the first task is heeded in the order of the signals: %s',
    async (_words, signals, isPaused) => {
      const life = await engine.live({}, {}, { startDelay: '2 seconds' });
      for (const signal of signals) await life.handle.signal(signal);
      if (isPaused) {
        await life.until('PAUSED');
        await life.handle.signal(resume);
      }
      await life.handle.result();
      expect(life.statuses().includes('PAUSED')).toBe(isPaused);
    },
  );

  it('by a name that nobody knows is none, whatever the name', async () => {
    const life = await engine.live({}, {}, { startDelay: '2 seconds' });
    for (const name of ['__proto__', 'constructor', 'Pause']) await life.handle.signal(name, { by: 'alice' });
    await life.handle.result();
    expect(life.statuses()).not.toContain('PAUSED');
    expect(life.statuses().at(-1)).toBe('FINISHED');
  });

  it.each(['QUEUED', 'RUNNING'] as const)('in %s holds the run, and a resume lets it go', async (status) => {
    let isResumed = false;
    const wait = (): Promise<unknown> => (isResumed ? Promise.resolve(ANSWER[STEP_OF[status]]) : hanging());
    const life = await engine.live({ [STEP_OF[status]]: wait });
    await life.until(status);
    await life.handle.signal(pause, { by: 'alice', reason: 'lunch' });
    expect((await life.until('PAUSED')).message).toBe('Paused by alice: lunch; 1 process stopped (SIGSTOP).');
    isResumed = true;
    await life.handle.signal(resume);
    await life.handle.result();
    expect(life.calls.indexOf('releaseRemote')).toBeGreaterThan(life.calls.indexOf('holdRemote'));
    expect(life.statuses().at(-1)).toBe('FINISHED');
    if (status === 'RUNNING') {
      const again = life.records.find(({ pausedMs }) => pausedMs !== undefined);
      expect(again?.pausedMs).toBeGreaterThan(0); // does not count towards maxMinutes
      await engine.keep(life, 'paused');
    }
  });

  it('where the host cannot hold says so, and pauses the steps of Kilim alone', async () => {
    let isResumed = false;
    const life = await engine.live({
      awaitRemoteEnd: () => (isResumed ? Promise.resolve(finished) : hanging()),
      holdRemote: () => Promise.resolve({ done: false, said: 'Slurm job 42 goes on running' }),
    });
    await life.until('RUNNING');
    await life.handle.signal(pause);
    expect((await life.until('PAUSED')).message).toContain('goes on running');
    isResumed = true;
    await life.handle.signal(resume);
    await life.handle.result();
    expect(life.calls).not.toContain('releaseRemote');
  });

  it('lets the run go although the host was away when the job was resumed', async () => {
    let isResumed = false;
    let fails = 1;
    const life = await engine.live({
      awaitRemoteEnd: () => (isResumed ? Promise.resolve(finished) : hanging()),
      releaseRemote: () =>
        fails-- > 0
          ? Promise.reject(failure('HOST_UNREACHABLE'))
          : Promise.resolve({ done: true, said: '1 process continued (SIGCONT)' }),
    });
    await life.until('RUNNING');
    await life.handle.signal(pause);
    await life.until('PAUSED');
    isResumed = true;
    await life.handle.signal(resume);
    await life.until('BLOCKED'); // and says why it does not go on
    await life.handle.result();
    expect(life.calls.filter((call) => call === 'releaseRemote')).toHaveLength(2);
    expect(life.calls.lastIndexOf('releaseRemote')).toBeLessThan(life.calls.lastIndexOf('awaitRemoteEnd'));
    expect(life.records.reduce((sum, { pausedMs = 0 }) => sum + pausedMs, 0)).toBeGreaterThan(0);
  });

  it('of a run whose host is away waits for the host, and asks it then', async () => {
    let isBack = false;
    const life = await engine.live({
      awaitRemoteEnd: () =>
        isBack ? Promise.resolve(finished) : Promise.reject(failure('HOST_UNREACHABLE')),
      holdRemote: () =>
        isBack
          ? Promise.resolve({ done: true, said: '1 process stopped (SIGSTOP)' })
          : Promise.reject(failure('HOST_UNREACHABLE')),
      awaitRecovery: () => (isBack ? Promise.resolve() : Promise.reject(failure('NOT_YET'))),
    });
    await life.until('BLOCKED');
    await life.handle.signal(pause);
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    expect(life.calls.filter((call) => call === 'holdRemote')).toHaveLength(1);
    isBack = true;
    expect((await life.until('PAUSED')).message).toContain('1 process stopped');
    await life.handle.signal(resume);
    await life.handle.result();
    expect(life.statuses().at(-1)).toBe('FINISHED');
  });

  it('outlives a lost workflow, and what was held is let go', async () => {
    const life = await engine.live({}, { rev: 9, from: 'RUNNING', isPaused: true, mayRun: true });
    await life.until('PAUSED');
    expect(life.calls).not.toContain('awaitRemoteEnd');
    await life.handle.signal(resume);
    await life.handle.result();
    expect(life.calls).toContain('releaseRemote');
    expect(life.statuses().at(-1)).toBe('FINISHED');
  });
});
