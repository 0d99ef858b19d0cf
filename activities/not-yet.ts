import { ApplicationFailure, ApplicationFailureCategory } from '@temporalio/common';

/**
 * Waits by failing: the next try comes after the delay, without an event in the history, a line in the log or a place taken
 * meanwhile. Only for activities that may be tried many times (workflows/activities.ts).
 * @param message what an operator reads in Temporal's user interface
 * @param delayMs milliseconds
 */
export const notYet = (message: string, delayMs: number): ApplicationFailure =>
  ApplicationFailure.create({
    type: 'NOT_YET',
    message: message.slice(0, 1000),
    nextRetryDelay: Math.max(0, Math.round(delayMs)),
    category: ApplicationFailureCategory.BENIGN,
  });

/** Whether the whole step is to be repeated later, so that none of its parts may go on without what it asked for. */
export const isNotYet = (error: unknown): boolean =>
  error instanceof ApplicationFailure && error.type === 'NOT_YET';
