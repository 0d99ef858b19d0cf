import {
  CancellationScope,
  CancelledFailure,
  condition,
  isCancellation,
  patched,
} from '@temporalio/workflow';

import type { JobControl } from './job-control.js';

/**
 * Waits for a change on the host: one look that fails until the world has changed, raced with hints.
 * A pause interrupts it: `whilePaused` does what the host allows and returns when the job is resumed.
 */
export async function lookUntil<T extends object>(
  { state }: JobControl,
  look: () => Promise<T>,
  whilePaused: () => Promise<void>,
): Promise<T> {
  for (;;) {
    // a run that is held may be so by a try that failed later on
    if (state.wantsPause || (state.heldSince > 0 && patched('let-go-again'))) await whilePaused();
    const seen = state.hints;
    const scope = new CancellationScope();
    const found = scope.run(look).catch((error: unknown) => {
      if (isCancellation(error)) return undefined;
      throw error;
    });
    const first = await Promise.race([
      found,
      condition(() => state.hints !== seen || state.wantsPause).then(() => undefined),
    ]);
    if (first !== undefined) return first;
    scope.cancel();
    const late = await found;
    if (CancellationScope.current().consideredCancelled) throw new CancelledFailure('the job was cancelled');
    if (late) return late;
  }
}
