import { Context } from '@temporalio/activity';
import { ApplicationFailure, ApplicationFailureCategory } from '@temporalio/common';

import type { Job } from '../domain/jobs/job.js';
import { expired, outcomeOf, type Outcome } from '../domain/jobs/outcome.js';
import { watchKey, type RemoteEnd } from '../domain/jobs/remote.js';
import { lookDelay } from '../domain/jobs/waiting.js';
import { readTail } from '../hosts/files.js';
import type { Deps } from './deps.js';

const HEALTHY_MS = 90_000;
/** How long the first look stays to hear a short job's end without a signal. */
const LISTEN_MS = 1_500;

/**
 * One look at a running job: at what the watcher saw, and where that does not settle it, at the host.
 * Fails with NOT_YET (benign, no history event) until the job is over or its time is up.
 * @throws KilimError HOST_* (recovered); SYSTEM_NOT_AVAILABLE never: a run under way is followed to its end
 */
export async function awaitRemoteEnd(deps: Deps, uuid: string): Promise<Outcome & { expired: boolean }> {
  const { store, hints } = deps;
  const context = Context.current();
  const job = await store.jobs.get(uuid);
  const key = watchKey(job.tenant, job.plan.exec.host, job.plan.exec.port, job.plan.exec.loginUser);

  const listener = hints.listen(uuid, LISTEN_MS, context.cancellationSignal);
  let end = await pushedEnd(deps, uuid);
  if (!end && context.info.attempt === 1 && (await listener.heard)) end = await pushedEnd(deps, uuid);
  listener.stop();
  const age = await store.watch.snapshotAge(key);
  const isWatched = age !== null && age < HEALTHY_MS;
  if (!end && (!isWatched || context.info.attempt === 1 || isDue(job))) end = await lookAtHost(deps, job);
  if (end) return { ...(await withLastLines(deps, job, outcomeOf(job.plan, end))), expired: false };

  const left = timeLeft(job);
  if (left <= 0) return { ...expired(job.plan.maxMinutes), expired: true };
  throw ApplicationFailure.create({
    type: 'NOT_YET',
    message: 'the application is running',
    nextRetryDelay: Math.min(
      lookDelay(job.remoteChecksSuccess + job.remoteChecksFailed, isWatched),
      left + 50,
    ),
    category: ApplicationFailureCategory.BENIGN,
  });
}

async function pushedEnd({ store }: Deps, uuid: string): Promise<RemoteEnd | null> {
  const seen = await store.watch.findState(uuid);
  // an end without an exit code is settled at the host, never believed
  return seen?.state.is === 'over' && seen.state.exitCode !== null ? seen.state : null;
}

async function lookAtHost(
  { store, openHost, schedulers, installation }: Deps,
  job: Job,
): Promise<RemoteEnd | null> {
  const host = await openHost(job.tenant, job.plan.exec);
  const state = await host.run(
    schedulers[job.plan.keeper].settle(job.plan, job.remoteJobId ?? '', installation),
  );
  await store.jobs.countCheck(job.uuid, state.is !== 'unknown');
  return state.is === 'over' ? state : null;
}

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

const timeLeft = (job: Job): number =>
  job.remoteStarted === null
    ? job.plan.maxMinutes * 60_000
    : Date.parse(job.remoteStarted) + job.plan.maxMinutes * 60_000 + job.pausedMs - Date.now();

const isDue = (job: Job): boolean =>
  job.remoteLastStatusCheck === null || Date.now() - Date.parse(job.remoteLastStatusCheck) > 9 * 60_000;
