import type { Client } from '@temporalio/client';
import { expect, it } from 'vitest';

import type { JobStatus } from '../../../domain/jobs/status.js';
import type { Ticket } from '../../../domain/jobs/ticket.js';
import type { Store } from '../../../store/store.js';
import { createReconciler } from '../../../worker/reconcile.js';

const log = { info: () => undefined, warn: () => undefined };

interface Row {
  uuid: string;
  status: JobStatus;
  remoteJobId?: string;
  remoteStarted?: string;
  /** The statuses before, each a minute after the other. */
  was?: JobStatus[];
}

/** Rows that were live when they were listed, and Temporal, which knows none of their workflows any more. */
function aPass(rows: Row[]) {
  const started: Ticket[] = [];
  const jobs = {
    quiet: (_ms: number, { isUrgent, after }: { isUrgent: boolean; after: { id: number } }) =>
      Promise.resolve(
        isUrgent
          ? rows
              .map((row, i) => ({ ...row, cancelRequested: false, turn: i + 1, id: i + 1 }))
              .filter(({ id }) => id > after.id)
          : [],
      ),
    get: (uuid: string) =>
      Promise.resolve({
        rev: 3, remoteJobId: null, remoteStarted: null, remoteOutcome: null, ...rows.find((row) => row.uuid === uuid),
      }), // prettier-ignore
    events: (uuid: string) =>
      Promise.resolve(
        (rows.find((row) => row.uuid === uuid)?.was ?? []).map((eventDetail, minute) => ({
          event: 'JOB_NEW_STATUS', eventDetail, created: `2026-11-24T00:0${minute}:00.000000Z`,
        })),
      ), // prettier-ignore
  };
  const handle = {
    describe: () => Promise.resolve({ status: { name: 'COMPLETED' } }),
    cancel: () => Promise.resolve(),
  };
  const reconcile = createReconciler(
    { store: { jobs } as unknown as Store, log },
    { workflow: { getHandle: () => handle } } as unknown as Client,
    (ticket) =>
      ticket.uuid === 'bad'
        ? Promise.reject(new Error('Temporal refuses it'))
        : Promise.resolve(void started.push(ticket)),
  );
  return { reconcile, started };
}

it.each(['CANCELLED', 'FAILED', 'FINISHED'] as const)(
  'starts no job again that became %s while others were looked at',
  async (status) => {
    const { reconcile, started } = aPass([{ uuid: 'a', status }]);
    expect(await reconcile()).toBe(0);
    expect(started).toEqual([]);
  },
);

const STARTED = '2026-11-24T00:00:00.000000Z';
it.each<[string, Omit<Row, 'uuid'>, Partial<Ticket>]>([
  ['waits for a place', { status: 'BLOCKED' }, { from: 'PENDING', mayRun: true }],
  ['was paused before its launch', { status: 'PAUSED' }, { from: 'PENDING', isPaused: true, mayRun: true }],
  ['is blocked in the queue', { status: 'BLOCKED', remoteJobId: '42' }, { from: 'QUEUED', mayRun: true }],
  ['is held in the queue', { status: 'PAUSED', remoteJobId: '42' }, { from: 'QUEUED', isPaused: true, mayRun: true }],
  ['is held while it runs', { status: 'PAUSED', remoteJobId: '42', remoteStarted: STARTED }, { from: 'RUNNING', isPaused: true, mayRun: true }],
  ['was being launched', { status: 'SUBMITTING_JOB' }, { from: 'SUBMITTING_JOB', mayRun: true }],
  ['has been held for long', { status: 'PAUSED', remoteJobId: '42', remoteStarted: STARTED, was: ['RUNNING', 'PAUSED', 'RUNNING', 'BLOCKED', 'PAUSED'] }, { from: 'RUNNING', isPaused: true, mayRun: true, heldSince: Date.parse('2026-11-24T00:04:00Z') }],
  ['is held yet, as its host was away at the resume', { status: 'BLOCKED', remoteJobId: '42', remoteStarted: STARTED, was: ['RUNNING', 'PAUSED', 'BLOCKED'] }, { from: 'RUNNING', mayRun: true, heldSince: Date.parse('2026-11-24T00:01:00Z') }],
  ['runs', { status: 'RUNNING', remoteJobId: '42', remoteStarted: STARTED }, { from: 'RUNNING' }],
])('takes a job up again where it stood: one that %s', async (_words, row, ticket) => {
  const { reconcile, started } = aPass([{ uuid: 'a', ...row }]);
  await reconcile();
  expect(started).toEqual([{ uuid: 'a', rev: 3, ...ticket }]);
}); // prettier-ignore

it('comes to the jobs behind one that cannot be mended', async () => {
  const { reconcile, started } = aPass([
    { uuid: 'bad', status: 'PENDING' },
    { uuid: 'good', status: 'PENDING' },
  ]);
  await expect(reconcile()).rejects.toThrow('refuses');
  await reconcile().catch(() => undefined);
  expect(started.map(({ uuid }) => uuid)).toEqual(['good']);
});
