import type { Job } from '../domain/jobs/job.js';
import type { RemoteState } from '../domain/jobs/remote.js';
import { watchTicketOf } from '../domain/jobs/ticket.js';
import type { Deps } from './deps.js';
import { openExecHost } from './exec-host.js';

/** The watcher's looks come every two minutes. */
const HEALTHY_MS = 150_000;

/**
 * Is a look at this very job needed? Not while the watcher's looks at all jobs list it; and a job that is new to the
 * host's watcher is listed by its next look.
 */
export const needsOwnLook = (watched: boolean, seen: RemoteState | null, attempt: number): boolean =>
  !watched || seen?.is === 'unknown' || (seen === null && attempt > 1);

/** How long a first look stays to hear of a change without a signal. */
export const LISTEN_MS = 1_500;

/**
 * Has the job's host been looked at lately for all of its jobs? Where not, its watch is begun: it may have been lost with
 * Temporal's database, or have ended in the moment in which the job came.
 */
export async function isWatched({ store, engine }: Deps, job: Job): Promise<boolean> {
  const ticket = watchTicketOf(job.tenant, job.plan.exec);
  const age = await store.watch.snapshotAge(ticket.key);
  if (age !== null && age < HEALTHY_MS) return true;
  await engine.ensureWatcher(ticket);
  return false;
}

/** What was last seen of the job, by its events or by a look at all jobs. */
export const lastSeen = async ({ store }: Deps, uuid: string): Promise<RemoteState | null> =>
  (await store.watch.findState(uuid))?.state ?? null;

/**
 * Asks the host about this one job, and counts the look. What the scheduler forgot before it began is launched again.
 * A run under way is followed on a system that was disabled meanwhile.
 */
export async function lookAtHost(deps: Deps, job: Job): Promise<RemoteState> {
  const { store, schedulers, installation, log } = deps;
  const host = await openExecHost(deps, job, { evenDisabled: true });
  const { settle, launch } = schedulers[job.plan.keeper];
  const lostId = job.remoteJobId ?? '';
  const state = await host.run(settle(job.plan, lostId, installation));
  await store.jobs.countCheck(job.uuid, state.is !== 'unknown');
  if (state.is !== 'forgotten') return state;
  const { remoteJobId } = await host.run(launch(job.plan, installation, lostId));
  await store.jobs.setRemoteJobId(job.uuid, remoteJobId);
  log.warn({ uuid: job.uuid, lostId, remoteJobId }, 'the scheduler had forgotten a job that waited');
  return { is: 'queued', reason: `submitted again as ${remoteJobId}, because it had been forgotten` };
}
