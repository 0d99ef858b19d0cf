import { Context } from '@temporalio/activity';

import type { Job } from '../domain/jobs/job.js';
import { QUEUE_OF } from '../domain/jobs/keeper.js';
import { expired, type Outcome } from '../domain/jobs/outcome.js';
import type { RemoteState } from '../domain/jobs/remote.js';
import { lookDelay, settleDelay } from '../domain/jobs/waiting.js';
import { conclude, isTrueEnd } from './conclude.js';
import type { Deps } from './deps.js';
import { isWatched, lastSeen, LISTEN_MS, lookAtHost, needsOwnLook } from './look-at-host.js';
import { notYet } from './not-yet.js';

/** Minutes that a scheduler has to keep the limit itself before Kilim does (specification: jobs §6.9). */
const GRACE_MINUTES = 10;

/**
 * One look at a running job: at what the watcher saw, and where that does not settle it, at the host.
 * Fails with NOT_YET (benign, no history event) until the job is over or its time is up.
 * @throws KilimError HOST_* (recovered)
 */
export async function awaitRemoteEnd(deps: Deps, uuid: string): Promise<Outcome & { expired: boolean }> {
  const { store, hints } = deps;
  const context = Context.current();
  const { attempt } = context.info;
  const job = await store.jobs.get(uuid);

  const listener = hints.listen(uuid, LISTEN_MS, context.cancellationSignal);
  let seen = await lastSeen(deps, uuid);
  if (seen?.is !== 'over' && attempt === 1 && (await listener.heard)) seen = await lastSeen(deps, uuid);
  listener.stop();
  let end = isTrueEnd(job, seen) ? seen : null;
  const watched = await isWatched(deps, job);
  const isOpen = !end && (seen?.is === 'over' || seen?.is === 'unknown');
  let left = timeLeft(job, null);
  let looked: RemoteState | null = null;
  // an end that nobody told of is no run that took too long
  if (!end && (isOpen || left <= 0 || needsOwnLook(watched, seen, attempt))) {
    looked = await lookAtHost(deps, job);
    left = timeLeft(job, looked);
    end = looked.is === 'over' ? looked : null;
  }
  if (end) {
    return { ...(await conclude(deps, job, end)), expired: false };
  }

  if (left <= 0) return { ...expired(job.plan.maxMinutes), expired: true };
  const delay =
    (looked ?? seen)?.is === 'unknown' || isOpen
      ? settleDelay(attempt)
      : lookDelay(job.remoteChecksSuccess + job.remoteChecksFailed, watched, seen !== null);
  throw notYet('the application is running', Math.min(delay, left + 50));
}

/**
 * Milliseconds until the run has taken too long. Without end where the keeper just said that it does not run now, as after
 * a requeue, or said nothing: who knows only our clock ends runs that are over, or that have hardly begun.
 */
function timeLeft({ plan, remoteStarted, pausedMs }: Job, looked: RemoteState | null): number {
  const isQueued = QUEUE_OF[plan.keeper] !== null;
  const limit = (plan.maxMinutes + (isQueued ? GRACE_MINUTES : 0)) * 60_000;
  if (looked?.is === 'unknown' || (isQueued && (looked?.is === 'queued' || looked?.is === 'suspended')))
    return Infinity;
  if (looked?.is === 'running' && looked.ranMs !== undefined) return limit - looked.ranMs;
  if (remoteStarted === null) return limit;
  // a clock that was set back must not make the limit longer
  return Math.min(limit + pausedMs, Date.parse(remoteStarted) + limit + pausedMs - Date.now());
}
