import { ActivityFailure, ApplicationFailure, TimeoutFailure } from '@temporalio/workflow';

import { isErrorCode, type ErrorCode } from '../domain/errors.js';

/** What went wrong, as the engine decides on it: the code of the table and a sentence for people. */
export interface Failure {
  code: ErrorCode;
  message: string;
}

/** Reads an activity's failure; what nobody foresaw is INTERNAL. */
export const failureOf = (error: unknown): Failure => {
  const cause = error instanceof ActivityFailure ? error.cause : error;
  if (cause instanceof ApplicationFailure) {
    const code = cause.type ?? '';
    return { code: isErrorCode(code) ? code : 'INTERNAL', message: cause.message };
  }
  if (cause instanceof TimeoutFailure) {
    return { code: 'RECOVERY_TIMEOUT', message: 'The time for this step or for its recovery is over.' };
  }
  return { code: 'INTERNAL', message: cause instanceof Error ? cause.message : String(cause) };
};
