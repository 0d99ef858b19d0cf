import type { Job } from '../domain/jobs/job.js';
import type { JobPlan } from '../domain/jobs/job-plan.js';
import { dropEnv } from '../domain/jobs/ledger.js';
import { QUEUE_OF } from '../domain/jobs/keeper.js';
import { outcomeOf, type Outcome } from '../domain/jobs/outcome.js';
import { streamsOf } from '../domain/jobs/streams.js';
import { signalOf, type RemoteEnd, type RemoteState } from '../domain/jobs/remote.js';
import { readTail } from '../hosts/read-files.js';
import type { Deps } from './deps.js';
import { openExecHost } from './exec-host.js';
import { isNotYet } from './not-yet.js';

/**
 * What the end of the run means for the job; it is in the store before it is returned.
 * @throws ApplicationFailure NOT_YET where the host has no place for this step now: to be repeated as a whole
 */
export async function conclude(deps: Deps, job: Job, seen: RemoteEnd): Promise<Outcome> {
  const { uuid, plan } = job;
  const end = await withoutWordOfOther(deps, job, seen);
  const outcome = outcomeOf(plan, end);
  const isNews = job.remoteOutcome === null;
  await deps.store.jobs.setRemoteEnd(uuid, outcome, end.usage);
  if (isNews && end.ended !== undefined)
    await deps.store.jobs.addEvent(uuid, 'JOB_ERROR_MESSAGE', 'BACKGROUND_ENDED', {
      message: `The application ended and left ${end.ended} process${end.ended === 1 ? '' : 'es'} in the background, which ${end.ended === 1 ? 'was' : 'were'} ended with it.`,
    });
  await forgetEnv(deps, job, outcome);
  return withLastLines(deps, job, end, outcome);
}

/** Slurm only repeats the code that the wrapper ended with, where it names no other cause. */
const ofCode = (
  { keeper }: Pick<JobPlan, 'keeper'>,
  { condition, word }: RemoteEnd,
  exitCode: number,
): Pick<RemoteEnd, 'condition' | 'word'> => {
  if (QUEUE_OF[keeper] === null || (condition && condition !== 'SCHEDULER_TERMINATED')) return {};
  return exitCode === 0
    ? { condition: undefined, word: undefined }
    : { condition: 'SCHEDULER_TERMINATED', word };
};

/** A `tapisjob.exitcode` counts where no other job can have written it. */
async function withoutWordOfOther({ store }: Deps, job: Job, end: RemoteEnd): Promise<RemoteEnd> {
  const { ownExitCode, ...rest } = end;
  if (ownExitCode === undefined) return end;
  const other = await store.jobs.findWriter(job.plan, job.remoteStarted ?? job.remoteSubmitted);
  if (other === null) return end;
  if (job.remoteOutcome === null)
    await store.jobs.addEvent(job.uuid, 'JOB_ERROR_MESSAGE', 'EXIT_CODE_NOT_TAKEN', {
      message: `tapisjob.exitcode says ${end.exitCode ?? 'nothing'}, which is not taken because the job ${other} used the same output directory and may have written it. The application ended with ${ownExitCode}.`,
    });
  return { ...rest, ...signalOf(ownExitCode), exitCode: ownExitCode, ...ofCode(job.plan, rest, ownExitCode) };
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
async function withLastLines(deps: Deps, job: Job, end: RemoteEnd, outcome: Outcome): Promise<Outcome> {
  if (!outcome.message) return outcome;
  try {
    const host = await openExecHost(deps, job, { evenDisabled: true });
    // standard error first
    for (const { file, name } of streamsOf(job.plan).toReversed()) {
      // an application that an older Kilim launched has only the name
      const files = [file, `${job.plan.paths.outputDir}/${name}`];
      const tail = (await readTail(host, files, 10, 4096)).trim();
      if (tail && (await isRefusedStart(deps, job, end, tail)))
        return { ...outcome, condition: 'JOB_LAUNCH_FAILURE', message: `${REFUSED_START}\n${tail}` };
      if (tail) return { ...outcome, message: `${outcome.message} Its last lines:\n${tail}` };
    }
  } catch (error) {
    if (isNotYet(error)) throw error;
    deps.log.warn({ uuid: job.uuid, err: error }, 'the last lines of a failed job could not be read');
  }
  return outcome;
}

const REFUSED_START =
  'The host did not start the application, because it takes fewer or shorter arguments and environment variables together. It says:';
/** What a shell, Docker, Podman, Singularity and Apptainer say, and the exit codes that they say it with. */
const TOO_MUCH = /argument list too long|configuration (is )?too big/i;
const CODES_OF_REFUSAL = [125, 126, 127, 255];
/** Bytes; what is less no host refuses: the application itself has started something. */
const MUCH = 100_000;

/** Whether the host could not hand the arguments to the application, which then did not run. */
async function isRefusedStart(
  { store }: Deps,
  { uuid, plan }: Job,
  end: RemoteEnd,
  tail: string,
): Promise<boolean> {
  if (!CODES_OF_REFUSAL.includes(end.exitCode ?? 0) || !TOO_MUCH.test(tail)) return false;
  const values = (await store.jobs.getEnv(uuid)).map(({ value }) => value);
  return [...plan.appArgs.map(({ arg }) => arg), ...values].join(' ').length >= MUCH;
}
