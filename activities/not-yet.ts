import { ApplicationFailure, ApplicationFailureCategory } from '@temporalio/common';

/**
 * Waits by failing: the next try comes after the delay, without an event in the history, a line in the log or a place taken
 * meanwhile. Only for activities that may be tried many times (workflows/activities.ts).
 * @param message what a person reads in the operators' window
 * @param delayMs milliseconds
 */
export const notYet = (message: string, delayMs: number): ApplicationFailure =>
  ApplicationFailure.create({
    type: 'NOT_YET',
    message: message.slice(0, 1000),
    nextRetryDelay: Math.max(0, Math.round(delayMs)),
    category: ApplicationFailureCategory.BENIGN,
  });

/** The step is to be tried again as a whole: no part of it may go on without what it asked for. */
export const isNotYet = (error: unknown): boolean =>
  error instanceof ApplicationFailure && error.type === 'NOT_YET';
