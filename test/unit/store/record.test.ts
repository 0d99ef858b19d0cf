import { describe, expect, it } from 'vitest';

import type { StatusRecord } from '../../../domain/jobs/job.js';
import type { JobStatus } from '../../../domain/jobs/status.js';
import type { Store } from '../../../store/store.js';
import { aPlanned, atOnce, DATABASES, withStore } from './a-store.js';

const LIFE: JobStatus[] = ['PROCESSING_INPUTS', 'STAGING_INPUTS', 'STAGING_JOB', 'SUBMITTING_JOB', 'QUEUED', 'RUNNING', 'ARCHIVING', 'FINISHED']; // prettier-ignore

describe.each(DATABASES)('records on $name', ({ make }) => {
  let store: Store;
  withStore(make, (opened) => ({ store } = opened));

  const aJob = async () => (await store.jobs.add(aPlanned(), '{}')).uuid;
  const eventsOf = async (uuid: string) =>
    (await store.jobs.events(uuid, -1, 0)).map((event) => ({ ...event, says: JSON.parse(event.description) as Record<string, unknown> })); // prettier-ignore
  /** Records one status after the other, rev 1, 2, … */
  const live = async (uuid: string, statuses: JobStatus[], last: Partial<StatusRecord> = {}) => {
    for (const [i, status] of statuses.entries())
      await store.jobs.record({ uuid, rev: i + 1, status, ...(i === statuses.length - 1 ? last : {}) });
    return store.jobs.get(uuid);
  };

  it('writes a whole life', async () => {
    const uuid = await aJob();
    const job = await live(uuid, LIFE);

    expect(job).toMatchObject({ status: 'FINISHED', condition: 'NORMAL_COMPLETION', rev: 8, lastMessage: 'Setting job status to FINISHED.' }); // prettier-ignore
    const instants = [job.created, job.remoteSubmitted, job.remoteStarted, job.ended];
    expect(instants).toEqual(instants.toSorted());
    expect(instants).not.toContain(null);
    const events = await eventsOf(uuid);
    expect(events.map(({ eventDetail }) => eventDetail)).toEqual(['PENDING', ...LIFE]);
    expect(events.at(2)?.says).toEqual({ jobName: 'a job', jobUuid: uuid, jobOwner: 'alice', message: 'Setting job status to STAGING_INPUTS.', newJobStatus: 'STAGING_INPUTS', oldJobStatus: 'PROCESSING_INPUTS' }); // prettier-ignore
    const { says } = events.at(-1) ?? { says: {} };
    expect(says).toMatchObject({ condition: 'NORMAL_COMPLETION', remoteSubmitted: job.remoteSubmitted, remoteStarted: job.remoteStarted, blockedCount: 0, remoteQueue: null }); // prettier-ignore
  });

  it('stamps the remote instants once', async () => {
    const uuid = await aJob();
    const first = await live(uuid, LIFE.slice(0, 6));
    await store.jobs.record({ uuid, rev: 7, status: 'BLOCKED' });
    await store.jobs.record({ uuid, rev: 8, status: 'QUEUED' });
    await store.jobs.record({
      uuid,
      rev: 9,
      status: 'RUNNING',
      remoteOutcome: 'FINISHED',
      remoteResultInfo: '0',
    });
    const then = await store.jobs.get(uuid);
    await store.jobs.record({ uuid, rev: 10, status: 'ARCHIVING', remoteOutcome: 'FAILED' });

    const job = await store.jobs.get(uuid);
    expect([job.remoteSubmitted, job.remoteStarted]).toEqual([first.remoteSubmitted, first.remoteStarted]);
    expect(job).toMatchObject({
      remoteOutcome: 'FINISHED',
      remoteResultInfo: '0',
      remoteEnded: then.remoteEnded,
    });
    expect(then.remoteEnded).not.toBeNull();
  });

  it('refuses what comes late, again, or is not legal, without a word', async () => {
    const uuid = await aJob();
    await store.jobs.record({ uuid, rev: 5, status: 'PROCESSING_INPUTS' });
    const before = await store.jobs.get(uuid);
    const refused: StatusRecord[] = [
      { uuid, rev: 5, status: 'STAGING_INPUTS' },
      { uuid, rev: 4, status: 'FAILED' },
      { uuid, rev: 6, status: 'RUNNING' },
    ];
    for (const record of refused) expect(await store.jobs.record(record)).toEqual({ job: before, freed: [] });
    expect(await store.jobs.get(uuid)).toEqual(before);
    expect(await eventsOf(uuid)).toHaveLength(2);
  });

  it.each(['FINISHED', 'CANCELLED', 'FAILED'] as const)('lets nothing follow %s', async (end) => {
    const uuid = await aJob();
    const job = await live(uuid, end === 'FINISHED' ? LIFE : [end]);
    for (const status of ['FINISHED', 'CANCELLED', 'FAILED', 'RUNNING', 'BLOCKED'] as const)
      expect((await store.jobs.record({ uuid, rev: 99, status, message: 'late' })).job).toEqual(job);
  });

  it.each([
    [['CANCELLED'], {}, 'CANCELLED_BY_USER'],
    [['FAILED'], {}, 'JOB_INTERNAL_ERROR'],
    [['FAILED'], { condition: 'JOB_LAUNCH_FAILURE' }, 'JOB_LAUNCH_FAILURE'],
  ] as [JobStatus[], Partial<StatusRecord>, string][])(
    'ends %j %j with %s',
    async (statuses, last, condition) => {
      expect((await live(await aJob(), statuses, last)).condition).toBe(condition);
    },
  );

  it('keeps the first condition', async () => {
    const uuid = await aJob();
    await live(uuid, LIFE.slice(0, 6));
    await store.jobs.record({ uuid, rev: 7, status: 'ARCHIVING', condition: 'SCHEDULER_TIMEOUT' });
    await store.jobs.record({ uuid, rev: 8, status: 'FAILED', condition: 'JOB_ARCHIVING_FAILED' });
    expect((await store.jobs.get(uuid)).condition).toBe('SCHEDULER_TIMEOUT');
  });

  it('tells the error before the status that ends the job', async () => {
    const uuid = await aJob();
    await live(uuid, ['FAILED'], { message: 'no such image' });
    const events = await eventsOf(uuid);
    expect(events.slice(1).map(({ event, eventDetail }) => [event, eventDetail])).toEqual([['JOB_ERROR_MESSAGE', 'FAILED'], ['JOB_NEW_STATUS', 'FAILED']]); // prettier-ignore
    expect(events[1]?.says).toMatchObject({ message: 'no such image', jobStatus: 'FAILED' });
  });

  it('counts how often a job was blocked, not how often that was said', async () => {
    const uuid = await aJob();
    await live(uuid, ['BLOCKED', 'BLOCKED', 'PROCESSING_INPUTS', 'BLOCKED'], { message: 'the host is down' });
    expect(await store.jobs.get(uuid)).toMatchObject({ blockedCount: 2, lastMessage: 'the host is down', ended: null }); // prettier-ignore
  });

  it('adds up paused time and remembers that the outputs are archived', async () => {
    const uuid = await aJob();
    await store.jobs.record({ uuid, rev: 1, status: 'PAUSED' });
    await store.jobs.record({ uuid, rev: 2, status: 'PENDING', pausedMs: 1_500 });
    await store.jobs.record({ uuid, rev: 3, status: 'PENDING', pausedMs: 4_000_000_000, archived: true });
    expect(await store.jobs.get(uuid)).toMatchObject({
      pausedMs: 4_000_001_500,
      archived: true,
      usage: null,
    });
    const usage = { elapsedMs: 5, cpuMs: 4, peakMemoryKB: null };
    await store.jobs.setRemoteEnd(uuid, { remoteOutcome: 'FINISHED', remoteResultInfo: '0' }, usage);
    const over = await store.jobs.get(uuid);
    expect(over).toMatchObject({ usage, remoteOutcome: 'FINISHED', remoteResultInfo: '0' });
    await store.jobs.setRemoteEnd(uuid, { remoteOutcome: 'FAILED', remoteResultInfo: '1' });
    expect(await store.jobs.get(uuid)).toEqual(over); // the first word stands
  });

  it('cuts a long message, and its event stays JSON', async () => {
    const uuid = await aJob();
    await live(uuid, ['FAILED'], {
      message: `nul \0 and "${'\u{1f600}\n'.repeat(9_000)}`,
      remoteResultInfo: '\0',
    });
    const job = await store.jobs.get(uuid);
    expect(job.lastMessage).toHaveLength(16_384);
    expect(job.lastMessage).not.toContain('\0');
    for (const { description } of await eventsOf(uuid))
      expect(description.length).toBeLessThanOrEqual(16_384);
  });

  it.each([1, 2, 3, 4, 5])('takes one of many records with one rev (%i)', async () => {
    const uuid = await aJob();
    await atOnce(store, 8, (i) => store.jobs.record({ uuid, rev: 1, status: 'BLOCKED', message: `${i}` }));
    expect((await store.jobs.get(uuid)).blockedCount).toBe(1);
    expect(await eventsOf(uuid)).toHaveLength(2);
  });

  it('says that a job is not there', async () => {
    await expect(store.jobs.record({ uuid: 'nobody', rev: 1, status: 'FAILED' })).rejects.toMatchObject({ code: 'JOB_NOT_FOUND' }); // prettier-ignore
  });
});
