import { ActivityFailure, ApplicationFailure, TimeoutFailure } from '@temporalio/workflow';

import { isErrorCode, type ErrorCode } from '../domain/errors.js';

/** What went wrong, as the engine decides on it: the code of the table and a sentence for people. */
export interface Failure {
  code: ErrorCode;
  message: string;
  /** The system at which it happened, where that is known. */
  systemId?: string;
}

/** Reads an activity's failure; what nobody foresaw is INTERNAL. */
export const failureOf = (error: unknown): Failure => {
  const cause = error instanceof ActivityFailure ? error.cause : error;
  if (cause instanceof ApplicationFailure) {
    const code = cause.type ?? '';
    const { systemId } = (cause.details?.[0] ?? {}) as { systemId?: string };
    return {
      code: isErrorCode(code) ? code : 'INTERNAL',
      message: cause.message,
      ...(systemId ? { systemId } : {}),
    };
  }
  if (cause instanceof TimeoutFailure) {
    const step = error instanceof ActivityFailure ? error.activityType : 'a step';
    return { code: 'INTERNAL', message: `${step} did not end, however often it was tried.` };
  }
  return { code: 'INTERNAL', message: cause instanceof Error ? cause.message : String(cause) };
};
