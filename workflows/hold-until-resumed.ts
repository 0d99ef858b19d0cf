import { holdRemote, releaseRemote } from './activities.js';
import type { JobControl } from './job-control.js';

/**
 * Holds the run on the host while somebody wants the job paused, then lets it go. Whoever fails in between, and be it
 * after the host has done it, is called again: what may be held is let go before anything else is waited for.
 * @returns for how many milliseconds it was held
 */
export async function holdUntilResumed(job: JobControl): Promise<number> {
  const { state, uuid } = job;
  if (state.wantsPause) {
    const before = state.heldSince;
    state.heldSince ||= Date.now();
    const held = await holdRemote(uuid);
    if (!held.done && before === 0) state.heldSince = 0;
    await job.pausePoint(held.said);
  }
  const since = state.heldSince;
  if (since === 0) return 0;
  await releaseRemote(uuid);
  state.heldSince = 0;
  return Math.max(0, Date.now() - since);
}
