import { sql } from 'kysely';

import type { Db } from './database.js';
import { isPostgres } from './dialects.js';
import { ago } from './now.js';

const DAY_MS = 24 * 3_600_000;
const BATCH = 500;

export interface Purged {
  systems: number;
  applications: number;
  jobs: number;
}

/**
 * Removes for good the systems and applications that were deleted, and the ended jobs that were hidden, at least `days`
 * ago. A system that a live job uses stays. It is safe to repeat this, and to do it while programs run.
 */
export async function purge(db: Db, days: number): Promise<Purged> {
  const before = ago(days * DAY_MS);
  const jobs = await purgeJobs(db, before);
  const purged = await db.transaction().execute(async (trx) => {
    const gone = await trx
      .deleteFrom('systems')
      .where('deleted', '=', 1)
      .where(sql<boolean>`${updatedSql(db)} < ${before}`)
      .where((eb) => eb.not(eb.exists(eb.selectFrom('jobs').select('uuid').where(ofThisSystem))))
      .returning(['tenant', 'id'])
      .execute();
    for (const { tenant, id } of gone) {
      await trx.deleteFrom('credentials').where('tenant', '=', tenant).where('system_id', '=', id).execute();
      await trx
        .deleteFrom('grants')
        .where('tenant', '=', tenant)
        .where((eb) =>
          eb.or([
            eb('resource', '=', `system:${id}`),
            eb.and([eb('resource', '>=', `files:${id}:`), eb('resource', '<', `files:${id}:\u{10ffff}`)]),
          ]),
        )
        .execute();
    }
    const apps = await purgeApps(trx, before);
    return { systems: gone.length, applications: apps };
  });
  return { ...purged, jobs };
}

/**
 * Permissions on an application are removed with its last version: the next user that registers the id must not share
 * the new application with the users of the old one.
 */
async function purgeApps(db: Db, before: string): Promise<number> {
  const gone = await db
    .deleteFrom('apps')
    .where('deleted', '=', 1)
    .where(sql<boolean>`${updatedSql(db)} < ${before}`)
    .returning(['tenant', 'id'])
    .execute();
  for (const { tenant, id } of gone)
    await db
      .deleteFrom('grants')
      .where('tenant', '=', tenant)
      .where('resource', '=', `app:${id}`)
      .where((eb) =>
        eb.not(
          eb.exists(
            eb
              .selectFrom('apps')
              .select('id')
              .where((app) => app.and({ tenant, id })),
          ),
        ),
      )
      .execute();
  return gone.length;
}

/** The instant of the last change of a record, which for a deleted record is the instant of its deletion. */
const updatedSql = (db: Db) =>
  isPostgres(db) ? sql`(head::jsonb ->> 'updated') collate "C"` : sql`json_extract(head, '$.updated')`;

/** Removes a few hundred jobs at a time, so that no transaction holds the database for long. */
async function purgeJobs(db: Db, before: string): Promise<number> {
  for (let count = 0; ;) {
    const rows = await db
      .selectFrom('jobs')
      .select('uuid')
      .where('visible', '=', 0)
      .where('ended', '<', before)
      .where('last_updated', '<', before)
      .limit(BATCH)
      .execute();
    if (rows.length === 0) return count;
    const uuids = rows.map(({ uuid }) => uuid);
    await db.transaction().execute(async (trx) => {
      for (const table of [
        'job_events',
        'remote_states',
        'idempotency_keys',
        'reservations',
        'waiters',
        'shared_dirs',
      ] as const)
        await trx.deleteFrom(table).where('job_uuid', 'in', uuids).execute();
      await trx.deleteFrom('jobs').where('uuid', 'in', uuids).execute();
    });
    count += uuids.length;
  }
}

/** Selects the live jobs that run on, or archive to, the system of the outer query's row. */
const ofThisSystem = sql<boolean>`jobs.tenant = systems.tenant and jobs.ended is null
  and (jobs.exec_system_id = systems.id or jobs.archive_system_id = systems.id)`;
