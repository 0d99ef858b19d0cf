import { Context } from '@temporalio/activity';
import { ApplicationFailure, ApplicationFailureCategory } from '@temporalio/common';

import type { Job } from '../domain/jobs/job.js';
import { QUEUE_OF } from '../domain/jobs/keeper.js';
import { expired, type Outcome } from '../domain/jobs/outcome.js';
import { lookDelay, settleDelay } from '../domain/jobs/waiting.js';
import { conclude, isTrueEnd } from './conclude.js';
import type { Deps } from './deps.js';
import { isWatched, lastSeen, LISTEN_MS, lookAtHost, needsOwnLook } from './look-at-host.js';

/** Minutes that a scheduler has to keep the limit itself before Kilim does (specification: jobs §6.9). */
const GRACE_MINUTES = 10;

/**
 * One look at a running job: at what the watcher saw, and where that does not settle it, at the host.
 * Fails with NOT_YET (benign, no history event) until the job is over or its time is up.
 * @throws KilimError HOST_* (recovered); SYSTEM_NOT_AVAILABLE never: a run under way is followed to its end
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
  const left = timeLeft(job);
  // an end that nobody told of is no run that took too long
  if (!end && (isOpen || left <= 0 || needsOwnLook(watched, seen, attempt))) {
    const state = await lookAtHost(deps, job);
    end = state.is === 'over' ? state : null;
  }
  if (end) {
    return { ...(await conclude(deps, job, end)), expired: false };
  }

  if (left <= 0) return { ...expired(job.plan.maxMinutes), expired: true };
  const delay = isOpen
    ? settleDelay(attempt)
    : lookDelay(job.remoteChecksSuccess + job.remoteChecksFailed, watched, seen !== null);
  throw ApplicationFailure.create({
    type: 'NOT_YET',
    message: 'the application is running',
    nextRetryDelay: Math.min(delay, left + 50),
    category: ApplicationFailureCategory.BENIGN,
  });
}

const timeLeft = ({ plan, remoteStarted, pausedMs }: Job): number => {
  const grace = QUEUE_OF[plan.keeper] === null ? 0 : GRACE_MINUTES;
  const limit = (plan.maxMinutes + grace) * 60_000;
  return remoteStarted === null ? limit : Date.parse(remoteStarted) + limit + pausedMs - Date.now();
};
