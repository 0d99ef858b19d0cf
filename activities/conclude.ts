import type { Job } from '../domain/jobs/job.js';
import { dropEnv } from '../domain/jobs/ledger.js';
import { QUEUE_OF } from '../domain/jobs/keeper.js';
import { outcomeOf, type Outcome } from '../domain/jobs/outcome.js';
import type { RemoteEnd, RemoteState } from '../domain/jobs/remote.js';
import { readTail } from '../hosts/read-files.js';
import type { Deps } from './deps.js';
import { openExecHost } from './exec-host.js';
import { isNotYet } from './not-yet.js';

/**
 * What the end of the run means for the job; it is in the store before it is returned.
 * @throws ApplicationFailure NOT_YET where the host has no place for this step now: to be repeated as a whole
 */
export async function conclude(deps: Deps, job: Job, end: RemoteEnd): Promise<Outcome> {
  const outcome = outcomeOf(job.plan, end);
  await deps.store.jobs.setRemoteEnd(job.uuid, outcome, end.usage);
  await forgetEnv(deps, job, outcome);
  return withLastLines(deps, job, outcome);
}

/** An end without an exit code is settled at the host, never believed; of a bad one the scheduler may know the cause. */
export const isTrueEnd = (job: Job, state: RemoteState | null): state is RemoteEnd =>
  state?.is === 'over' &&
  (QUEUE_OF[job.plan.keeper] === null ? state.exitCode !== null : state.exitCode === 0);

/**
 * Removes the environment file. The wrapper of a run does so at its end, except where it was killed, or where the run might
 * have been started again.
 */
async function forgetEnv(deps: Deps, job: Job, outcome: Outcome): Promise<void> {
  const { uuid, plan } = job;
  if (!outcome.message && !plan.repeatable) return;
  try {
    const host = await openExecHost(deps, job, { evenDisabled: true });
    await host.run({ line: `${dropEnv(plan)}; drop_env`, parse: () => undefined });
  } catch (error) {
    if (isNotYet(error)) throw error;
    deps.log.warn({ uuid, err: error }, 'the environment file of a job that is over could not be removed');
  }
}

/** A failure is told with the application's own last lines; that they cannot be had is no error. */
async function withLastLines(deps: Deps, job: Job, outcome: Outcome): Promise<Outcome> {
  if (!outcome.message) return outcome;
  try {
    const host = await openExecHost(deps, job, { evenDisabled: true });
    const { outputDir } = job.plan.paths;
    const { stdoutFilename, stderrFilename } = job.plan.logConfig;
    const files = [...new Set([stderrFilename, stdoutFilename])].map((name) => `${outputDir}/${name}`);
    for (const file of files) {
      const tail = (await readTail(host, file, 10, 4096)).trim();
      if (tail) return { ...outcome, message: `${outcome.message} Its last lines:\n${tail}` };
    }
  } catch (error) {
    if (isNotYet(error)) throw error;
    deps.log.warn({ uuid: job.uuid, err: error }, 'the last lines of a failed job could not be read');
  }
  return outcome;
}
