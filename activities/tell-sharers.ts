import type { JobPlan } from '../domain/jobs/job-plan.js';
import { chosenDirs, sharedInWords } from '../domain/jobs/shared-dirs.js';
import type { Deps } from './deps.js';

const DETAIL = 'DIRECTORY_SHARED';

/**
 * Names in the job's history the newest live jobs that use one of its directories, and this job in the history of each of them.
 * Safe to repeat: what a history says already is not said again.
 */
export async function tellSharers({ store }: Pick<Deps, 'store'>, plan: JobPlan): Promise<void> {
  if (chosenDirs(plan).length === 0) return;
  for (const sharer of await store.jobs.findSharers(plan)) {
    await tellOnce(store, plan.uuid, sharer.uuid, sharedInWords(sharer));
    await tellOnce(store, sharer.uuid, plan.uuid, sharedInWords({ ...sharer, uuid: plan.uuid }));
  }
}

async function tellOnce(store: Deps['store'], uuid: string, other: string, message: string): Promise<void> {
  const events = await store.jobs.events(uuid, -1, 0);
  if (events.some(({ eventDetail, description }) => eventDetail === DETAIL && description.includes(other)))
    return;
  await store.jobs.addEvent(uuid, 'JOB_ERROR_MESSAGE', DETAIL, { message });
}
