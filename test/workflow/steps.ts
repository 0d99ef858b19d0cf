import { Context } from '@temporalio/activity';

import type { ErrorCode } from '../../domain/errors.js';
import { ACTIVE } from '../../domain/jobs/status.js';
import { failure, finished } from './engine.js';

/** Never ends by itself; a cancel ends it. */
export const hanging = async (): Promise<never> => {
  const context = Context.current();
  const beat = setInterval(() => context.heartbeat(), 500);
  try {
    return await context.cancelled;
  } finally {
    clearInterval(beat);
  }
};
/** Fails in this way so often, then goes on. */
export const failing = <T>(code: ErrorCode | 'NOT_YET', times: number, then: T): (() => Promise<T>) => {
  let left = times;
  return () => (left-- > 0 ? Promise.reject(failure(code)) : Promise.resolve(then));
};

export const STEP_OF = {
  PENDING: 'admitJob',
  PROCESSING_INPUTS: 'makeDirectories',
  STAGING_INPUTS: 'stageInputs',
  STAGING_JOB: 'stageJob',
  SUBMITTING_JOB: 'submitJob',
  QUEUED: 'awaitRemoteStart',
  RUNNING: 'awaitRemoteEnd',
  ARCHIVING: 'archiveOutputs',
} as const;
export const ANSWER: Record<string, unknown> = {
  admitJob: { inputs: true },
  submitJob: { remoteJobId: '42', host: 'alice@host:22', isQueued: true },
  awaitRemoteEnd: finished,
};
export const WHOLE = [...ACTIVE.slice(1), 'FINISHED'];
