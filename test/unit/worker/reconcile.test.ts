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
}

/** Rows that were live when they were listed, and Temporal, which knows none of their workflows any more. */
function aPass(rows: Row[]) {
  const started: Ticket[] = [];
  const jobs = {
    quiet: (_ms: number, { isUrgent }: { isUrgent: boolean }) =>
      Promise.resolve(isUrgent ? rows.map((row, id) => ({ ...row, cancelRequested: false, id })) : []),
    get: (uuid: string) =>
      Promise.resolve({
        rev: 3, remoteJobId: null, remoteOutcome: null, ...rows.find((row) => row.uuid === uuid),
      }), // prettier-ignore
  };
  const handle = {
    describe: () => Promise.resolve({ status: { name: 'COMPLETED' } }),
    cancel: () => Promise.resolve(),
  };
  const reconcile = createReconciler(
    { store: { jobs } as unknown as Store, log },
    { workflow: { getHandle: () => handle } } as unknown as Client,
    (ticket) => Promise.resolve(void started.push(ticket)),
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
