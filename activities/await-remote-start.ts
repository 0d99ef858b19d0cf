import { Context } from '@temporalio/activity';

import { waitsInQueue } from '../domain/jobs/explain.js';
import type { Job } from '../domain/jobs/job.js';
import { QUEUE_OF } from '../domain/jobs/keeper.js';
import type { Outcome } from '../domain/jobs/outcome.js';
import { queueMessage, type RemoteState } from '../domain/jobs/remote.js';
import { lookDelay, settleDelay } from '../domain/jobs/waiting.js';
import { conclude, isTrueEnd } from './conclude.js';
import type { Deps } from './deps.js';
import { isWatched, lastSeen, LISTEN_MS, lookAtHost, needsOwnLook } from './look-at-host.js';
import { notYet } from './not-yet.js';

/**
 * One look at a job in a scheduler's queue: at what the watcher saw, and where that says nothing, at the host.
 * Fails with NOT_YET (benign, no history event) until the job has started or is over. Safe to repeat: it only looks.
 * @param words why it waits, as the operators' window says now; absent: that is not to be told
 * @returns how it ended, where it did at once: a short job needs no second wait; or why it waits, where that is another reason
 * @throws KilimError HOST_* (recovered)
 */
export async function awaitRemoteStart(
  deps: Deps,
  uuid: string,
  words?: string,
): Promise<Outcome | Waits | null> {
  const { store, hints } = deps;
  const { info, cancellationSignal } = Context.current();
  const job = await store.jobs.get(uuid);

  const listener = hints.listen(uuid, LISTEN_MS, cancellationSignal);
  let state = await lastSeen(deps, uuid);
  if (!hasStarted(state) && info.attempt === 1 && (await listener.heard)) state = await lastSeen(deps, uuid);
  listener.stop();
  if (hasStarted(state)) return quickEnd(deps, job, state, cancellationSignal);
  const watched = await isWatched(deps, job);
  if (needsOwnLook(watched, state, info.attempt)) state = await lookAtHost(deps, job);
  if (hasStarted(state)) return null;

  const queue = QUEUE_OF[job.plan.keeper] ?? 'The host';
  const says = queueMessage(queue, job.remoteJobId, state);
  if (says) await store.watch.tellQueued(uuid, says);
  if (words !== undefined && info.attempt > 1 && state?.is === 'queued' && state.reason) {
    const waits = waitsInQueue(job, state.reason);
    if (waits !== words) return { waits };
  }
  throw notYet(
    says ?? 'the scheduler has not said anything about the job yet',
    state?.is === 'unknown'
      ? settleDelay(info.attempt)
      : lookDelay(job.remoteChecksSuccess + job.remoteChecksFailed, watched, state !== null),
  );
}

/** A sentence for operators. */
export interface Waits {
  waits: string;
}

/** How long a job that has just started is listened to. */
const QUICK_MS = 150;

async function quickEnd(
  deps: Deps,
  job: Job,
  seen: RemoteState | null,
  signal: AbortSignal,
): Promise<Outcome | null> {
  let state = seen;
  if (state?.is === 'running') {
    const listener = deps.hints.listen(job.uuid, QUICK_MS, signal);
    state = await lastSeen(deps, job.uuid);
    if (state?.is !== 'over' && (await listener.heard)) state = await lastSeen(deps, job.uuid);
    listener.stop();
  }
  return isTrueEnd(job, state) ? conclude(deps, job, state) : null;
}

const hasStarted = (state: RemoteState | null): boolean =>
  state?.is === 'running' || state?.is === 'suspended' || state?.is === 'over';
