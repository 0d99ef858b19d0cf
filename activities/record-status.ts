import type { StatusRecord } from '../domain/jobs/job.js';
import type { Deps } from './deps.js';

/**
 * Writes one status of the job, with its event, and wakes who waited for the place it frees.
 * Safe to repeat: an older `rev` changes nothing.
 */
export async function recordStatus({ store, engine }: Deps, record: StatusRecord): Promise<void> {
  const { freed } = await store.jobs.record(record);
  await Promise.all(freed.map((uuid) => engine.hint(uuid, 'resourceFreed')));
}
