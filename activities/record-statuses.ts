import { setTimeout as sleep } from 'node:timers/promises';

import { Context } from '@temporalio/activity';

import { KilimError } from '../domain/errors.js';
import type { StatusRecord } from '../domain/jobs/job.js';
import type { Deps } from './deps.js';

const STORE_AWAY_MS = 2_000;

/**
 * Writes statuses of one job in their order, each with its event, and wakes who waited for the place it frees.
 * Safe to repeat: an older `rev` changes nothing.
 */
export async function recordStatuses({ store, engine }: Deps, records: StatusRecord[]): Promise<void> {
  for (const record of records) {
    const { freed } = await store.jobs.record(record);
    await Promise.all(freed.map((uuid) => engine.hint(uuid, 'resourceFreed')));
  }
}

/**
 * What a step tells before its work. While the store is away the step waits here, in one attempt: a night without a
 * database uses up no tries.
 */
export async function tellFirst(deps: Deps, records: StatusRecord[], signal: AbortSignal): Promise<void> {
  const last = records.at(-1);
  if (!last) return;
  for (;;) {
    try {
      // a later attempt rarely has something to tell
      const isKnown =
        Context.current().info.attempt > 1 && (await deps.store.jobs.get(last.uuid)).rev >= last.rev;
      if (!isKnown) await recordStatuses(deps, records);
      return;
    } catch (error) {
      if (!(error instanceof KilimError) || error.code !== 'STORE_UNAVAILABLE') throw error;
      await sleep(STORE_AWAY_MS, undefined, { signal });
    }
  }
}
