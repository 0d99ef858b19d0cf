import type { Transaction } from 'kysely';

import type { Database, Db } from './database.js';
import { isPostgres, lock } from './dialects.js';
import { ago, now } from './now.js';
import type { JobStore } from './store.js';

/** How long a place is kept for a waiter who was told of it. */
const TURN_MS = 10_000;

/** Places under limits, one per key and job: counted in the transaction that takes them, so no two jobs share one. */
export const createReservations = (db: Db): Pick<JobStore, 'reserve' | 'ahead'> => ({
  reserve: (uuid, limits) =>
    db.transaction().execute(async (trx) => {
      const ofJob = trx.selectFrom('jobs').select(['created', 'ended']).where('uuid', '=', uuid);
      // the row before the keys, as whoever records its end does
      const { created: since, ended } = await (
        isPostgres(trx) ? ofJob.forUpdate() : ofJob
      ).executeTakeFirstOrThrow();
      if (ended !== null) return null; // a try that was given up and came late: nobody would give its place back
      await lock(trx, limits.map(({ key }) => placesOf(key))); // prettier-ignore
      for (const { key, limit } of limits) {
        const { n } = await trx.selectFrom('reservations').select((eb) => eb.fn.countAll<number>().as('n'))
          .where('key', '=', key).where('job_uuid', '!=', uuid).executeTakeFirstOrThrow(); // prettier-ignore
        if (Number(n) + (await turnsBefore(trx, key, since, uuid)) < limit) continue;
        await trx
          .insertInto('waiters')
          .values({ key, job_uuid: uuid, since, woken: null })
          .onConflict((oc) => oc.doNothing())
          .execute();
        // who cannot take what is free holds nobody up
        await trx.updateTable('waiters').set({ woken: null }).where('job_uuid', '=', uuid).execute();
        return `The limit of ${limit} active job${limit === 1 ? '' : 's'} for ${key} is reached.`;
      }
      const created = now();
      if (limits.length > 0)
        await trx
          .insertInto('reservations')
          .values(limits.map(({ key }) => ({ key, job_uuid: uuid, created })))
          .onConflict((oc) => oc.doNothing())
          .execute();
      await trx.deleteFrom('waiters').where('job_uuid', '=', uuid).execute();
      return null;
    }),
  async ahead(uuid) {
    const mine = await db.selectFrom('waiters').selectAll().where('job_uuid', '=', uuid).execute();
    const before = await Promise.all(
      mine.map(
        ({ key, since }) =>
        db.selectFrom('waiters').select((eb) => eb.fn.countAll<number>().as('n'))
          .where('key', '=', key).where('since', '<', since).executeTakeFirstOrThrow(), // prettier-ignore
      ),
    );
    return mine.length === 0 ? null : Math.max(...before.map(({ n }) => Number(n)));
  },
});

/** Waiters who were submitted earlier and have just been told of a free place: it is theirs, however quick others are. */
async function turnsBefore(
  trx: Transaction<Database>,
  key: string,
  since: string,
  uuid: string,
): Promise<number> {
  const { n } = await trx.selectFrom('waiters').select((eb) => eb.fn.countAll<number>().as('n'))
    .where('key', '=', key).where('job_uuid', '!=', uuid).where('since', '<', since).where('woken', '>', ago(TURN_MS))
    .executeTakeFirstOrThrow(); // prettier-ignore
  return Number(n);
}

/**
 * Gives a job's places back; names the two that were submitted first of those who wait, so that nobody stampedes. Whose
 * turn it is already was told: this place is for the ones behind them.
 */
export async function freePlaces(
  trx: Transaction<Database>,
  uuid: string,
  forGood: boolean,
): Promise<string[]> {
  const held = await trx.deleteFrom('reservations').where('job_uuid', '=', uuid).returning('key').execute();
  if (forGood) await trx.deleteFrom('waiters').where('job_uuid', '=', uuid).execute();
  if (held.length === 0) return [];
  const keys = held.map(({ key }) => key);
  await lock(trx, keys.map(placesOf)); // who is being refused just now must be seen waiting
  const waiting = await trx
    .selectFrom('waiters')
    .select('job_uuid')
    .where('key', 'in', keys)
    .where('job_uuid', '!=', uuid)
    .where((eb) => eb.or([eb('woken', 'is', null), eb('woken', '<=', ago(TURN_MS))]))
    // a paused one would not come
    .where('job_uuid', 'in', (eb) =>
      eb.selectFrom('jobs').select('uuid').where('status', 'in', ['PENDING', 'BLOCKED']),
    )
    .groupBy('job_uuid')
    .orderBy((eb) => eb.fn.min('since'))
    .limit(2)
    .execute();
  const woken = waiting.map(({ job_uuid }) => job_uuid);
  if (woken.length > 0)
    await trx
      .updateTable('waiters')
      .set({ woken: now() })
      .where('key', 'in', keys)
      .where('job_uuid', 'in', woken)
      .execute();
  return woken;
}

const placesOf = (key: string): string => `places ${key}`;
