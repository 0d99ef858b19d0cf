import { CancellationScope, CancelledFailure, condition, isCancellation } from '@temporalio/workflow';

import type { Outcome } from '../domain/jobs/outcome.js';
import { awaitRemoteEnd, holdRemote, releaseRemote, stopRemote } from './activities.js';
import type { JobControl } from './job-control.js';

/**
 * Waits for the end of the remote run: one look that fails until the world has changed, raced with hints.
 * A pause stops the run where the host allows it; the time spent paused does not count towards maxMinutes.
 */
export async function untilOver(job: JobControl): Promise<Outcome> {
  const { state } = job;
  for (;;) {
    if (state.wantsPause) await pausedRun(job);
    const seen = state.hints;
    const scope = new CancellationScope();
    const look = scope.run(() => awaitRemoteEnd(job.uuid));
    const over = look.catch((error: unknown) => {
      if (isCancellation(error)) return undefined;
      throw error;
    });
    const first = await Promise.race([
      over,
      condition(() => state.hints !== seen || state.wantsPause).then(() => undefined),
    ]);
    if (first === undefined) {
      scope.cancel();
      const late = await over;
      if (CancellationScope.current().consideredCancelled)
        throw new CancelledFailure('the job was cancelled');
      if (!late) continue;
      return late;
    }
    if (first.expired) await stopRemote(job.uuid);
    return first;
  }
}

async function pausedRun(job: JobControl): Promise<void> {
  const held = await holdRemote(job.uuid);
  const since = Date.now();
  await job.pausePoint(held.said);
  if (held.done) await releaseRemote(job.uuid);
  await job.record('RUNNING', { pausedMs: held.done ? Date.now() - since : 0 });
}
