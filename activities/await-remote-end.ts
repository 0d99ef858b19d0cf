import { Context } from '@temporalio/activity';
import { ApplicationFailure, ApplicationFailureCategory } from '@temporalio/common';

import type { Job } from '../domain/jobs/job.js';
import { QUEUE_OF } from '../domain/jobs/keeper.js';
import { expired, outcomeOf, type Outcome } from '../domain/jobs/outcome.js';
import type { RemoteEnd, RemoteState } from '../domain/jobs/remote.js';
import { lookDelay, settleDelay } from '../domain/jobs/waiting.js';
import { readTail } from '../hosts/files.js';
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
  if (!end && (isOpen || needsOwnLook(watched, seen, attempt))) {
    const state = await lookAtHost(deps, job);
    end = state.is === 'over' ? state : null;
  }
  if (end) {
    const outcome = outcomeOf(job.plan, end);
    await store.jobs.setRemoteEnd(uuid, outcome, end.usage);
    return { ...(await withLastLines(deps, job, outcome)), expired: false };
  }

  const left = timeLeft(job);
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

/** An end without an exit code is settled at the host, never believed; of a bad one the scheduler may know the cause. */
const isTrueEnd = (job: Job, state: RemoteState | null): state is RemoteEnd =>
  state?.is === 'over' &&
  (QUEUE_OF[job.plan.keeper] === null ? state.exitCode !== null : state.exitCode === 0);

/** A failure is told with the application's own last lines; that they cannot be had is no error. */
async function withLastLines({ openHost, log }: Deps, job: Job, outcome: Outcome): Promise<Outcome> {
  if (!outcome.message) return outcome;
  try {
    const host = await openHost(job.tenant, job.plan.exec);
    const { outputDir } = job.plan.paths;
    const { stdoutFilename, stderrFilename } = job.plan.logConfig;
    const files = [...new Set([stderrFilename, stdoutFilename])].map((name) => `${outputDir}/${name}`);
    for (const file of files) {
      const tail = (await readTail(host, file, 10, 4096)).trim();
      if (tail) return { ...outcome, message: `${outcome.message} Its last lines:\n${tail}` };
    }
  } catch (error) {
    log.warn({ uuid: job.uuid, err: error }, 'the last lines of a failed job could not be read');
  }
  return outcome;
}

const timeLeft = ({ plan, remoteStarted, pausedMs }: Job): number => {
  const grace = QUEUE_OF[plan.keeper] === null ? 0 : GRACE_MINUTES;
  const limit = (plan.maxMinutes + grace) * 60_000;
  return remoteStarted === null ? limit : Date.parse(remoteStarted) + limit + pausedMs - Date.now();
};
