import { isCancellation, proxyActivities, proxyLocalActivities } from '@temporalio/workflow';

import type { Activities } from '../activities/index.js';
import { meaningOf, type ErrorCode } from '../domain/errors.js';
import type { StatusRecord } from '../domain/jobs/job.js';
import type { Needs } from '../domain/jobs/ticket.js';
import { failureOf } from './failure.js';

/*
 * All time-outs and retries of the engine, by risk class; nowhere else may one stand. Tries are counted, not hours:
 * a job must not fail because a fault was not mended over a weekend. A step that finds no place at its host
 * (worker/visits.ts) asks again a minute later at most, and each such try counts: the limits leave room for days of that.
 */

const BRIEF = { initialInterval: '2 seconds', backoffCoefficient: 2, maximumInterval: '30 seconds' } as const;

/** No heartbeat for so long: its worker is lost, and another one takes the step. */
const LOST = '20 seconds';

/** A job is not CANCELLED while its step still works. */
const WORKING = {
  startToCloseTimeout: '35 minutes',
  heartbeatTimeout: LOST,
  cancellationType: 'WAIT_CANCELLATION_COMPLETED',
} as const;

/**
 * Short remote steps, and the launch, which is safe to repeat because it finds and adopts a run that exists. The staging looks
 * every few seconds whether a large image has come, and each look is a try: the limit leaves room for a pull of a day.
 */
export const { makeDirectories, submitJob, stageJob } = proxyActivities<Activities>({
  ...WORKING,
  retry: { ...BRIEF, maximumAttempts: 10_000 },
});

/** Orders to a run that lives: where the store is away for hours, the run must not be ended by that. */
export const { holdRemote, releaseRemote } = proxyActivities<Activities>({ ...WORKING, retry: BRIEF });

/** Bytes on their way: heartbeats tell of a lost worker. */
export const { stageInputs, archiveOutputs } = proxyActivities<Activities>({
  startToCloseTimeout: '12 hours',
  heartbeatTimeout: LOST,
  cancellationType: 'WAIT_CANCELLATION_COMPLETED',
  retry: {
    initialInterval: '2 seconds',
    backoffCoefficient: 2,
    maximumInterval: '5 minutes',
    maximumAttempts: 5_000,
  },
});

/** Waiting by failing: retries leave no events; the delay comes with the failure. */
export const { awaitRemoteStart, awaitRemoteEnd } = proxyActivities<Activities>({
  startToCloseTimeout: '2 minutes',
  heartbeatTimeout: LOST,
  cancellationType: 'TRY_CANCEL',
  retry: BRIEF,
});

/** The same for what blocks a job; how long it may is the activity's to say. */
export const { awaitRecovery } = proxyActivities<Activities>({
  startToCloseTimeout: '2 minutes',
  heartbeatTimeout: LOST,
  cancellationType: 'TRY_CANCEL',
  retry: BRIEF,
});

/** Cleaning up after a cancel goes on for a day. */
export const { stopRemote } = proxyActivities<Activities>({
  startToCloseTimeout: '1 minute',
  heartbeatTimeout: LOST,
  retry: {
    initialInterval: '1 second',
    backoffCoefficient: 2,
    maximumInterval: '5 minutes',
    maximumAttempts: 300,
  },
});

/**
 * The same for a job that was staged and never launched: only its environment file is left, and a cancel does not wait for a
 * day for that. A host that has no place for the step now is a failed try as well, so that the tries are not counted.
 */
export const { stopRemote: tidyRemote } = proxyActivities<Activities>({
  startToCloseTimeout: '1 minute',
  scheduleToCloseTimeout: '3 minutes',
  heartbeatTimeout: LOST,
  retry: BRIEF,
});

/** The store is near and quick: inside the workflow task, one event. */
const local = proxyLocalActivities<Activities>({
  startToCloseTimeout: '5 seconds',
  scheduleToCloseTimeout: '8 seconds',
  retry: { initialInterval: '200 milliseconds', backoffCoefficient: 2, maximumInterval: '2 seconds' },
});

/** Where it is away for longer, the step waits without holding the workflow task. */
const remote = proxyActivities<Activities>({
  startToCloseTimeout: '10 seconds',
  retry: { initialInterval: '200 milliseconds', backoffCoefficient: 2, maximumInterval: '30 seconds' },
});

export const admitJob = (uuid: string): Promise<Needs> =>
  nearby(
    () => local.admitJob(uuid),
    () => remote.admitJob(uuid),
  );

export const recordStatuses = (records: StatusRecord[]): Promise<void> =>
  nearby(
    () => local.recordStatuses(records),
    () => remote.recordStatuses(records),
  );

async function nearby<T>(here: () => Promise<T>, there: () => Promise<T>): Promise<T> {
  try {
    return await here();
  } catch (error) {
    if (isCancellation(error) || isForTheJob(failureOf(error).code)) throw error;
    return there();
  }
}

/** The job has to know of it: it waits or fails. Everything else is the store's trouble, and passes. */
const isForTheJob = (code: ErrorCode): boolean => {
  const { recover, condition, retry } = meaningOf(code);
  return code !== 'INTERNAL' && !retry && (recover ?? condition) !== undefined;
};

export const { watchHost } = proxyActivities<Activities>({
  startToCloseTimeout: '6 hours',
  heartbeatTimeout: '10 seconds',
  retry: { initialInterval: '1 second', backoffCoefficient: 2, maximumInterval: '1 minute' },
});
