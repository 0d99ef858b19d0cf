import { sql, type Kysely } from 'kysely';

import { KilimError } from '../domain/errors.js';
import type { Database, Db } from './database.js';

/** Every step once, in order, never changed after a release; the same text on both databases but for the serial key. */
const STEPS: ((serial: string) => string[])[] = [
  (serial) => [
    `create table jobs (id ${serial}, uuid text not null unique, tenant text not null, owner text not null, name text not null,
      app_id text not null, app_version text not null, exec_system_id text not null, archive_system_id text not null,
      watch_key text not null, keeper text not null, plan text not null, env text not null, request text not null,
      status text not null, condition text, last_message text not null, rev integer not null default 0,
      created text not null, last_updated text not null, ended text, visible integer not null default 1,
      blocked_count integer not null default 0, remote_job_id text, remote_job_id2 text, remote_outcome text,
      remote_result_info text, remote_submitted text, remote_started text, remote_ended text,
      remote_checks_success integer not null default 0, remote_checks_failed integer not null default 0,
      remote_last_status_check text, archived integer not null default 0, paused_ms bigint not null default 0,
      cancel_requested integer not null default 0)`,
    'create index jobs_of_owner on jobs (tenant, owner, created)',
    `create index live_jobs on jobs (watch_key) where ended is null`,
    `create index quiet_jobs on jobs (last_updated) where ended is null`,
    `create table job_events (id ${serial}, job_uuid text not null, tenant text not null, event text not null,
      event_detail text not null, description text not null, created text not null)`,
    'create index events_of_job on job_events (job_uuid, id)',
    `create table idempotency_keys (tenant text not null, caller text not null, key text not null, body_hash text not null,
      job_uuid text not null, created text not null, primary key (tenant, caller, key))`,
    'create table reservations (key text not null, job_uuid text not null, created text not null, primary key (key, job_uuid))',
    'create table waiters (key text not null, job_uuid text not null, since text not null, primary key (key, job_uuid))',
    'create table host_snapshots (watch_key text primary key, taken_at text not null)',
    'create table remote_states (job_uuid text primary key, watch_key text not null, state text not null, seen_at text not null)',
    'create table probes (subject text primary key, claimed_ms bigint not null, ok integer, said text, at text)',
    'create table systems (tenant text not null, id text not null, doc text not null, host_key text, primary key (tenant, id))',
    `create table credentials (tenant text not null, system_id text not null, kind text not null, target text not null,
      sealed text not null, primary key (tenant, system_id, kind, target))`,
    `create table apps (tenant text not null, id text not null, version text not null, created text not null, doc text not null,
      primary key (tenant, id, version))`,
    'create table profiles (tenant text not null, name text not null, doc text not null, primary key (tenant, name))',
    `create table grants (tenant text not null, resource text not null, username text not null, level text not null,
      grantor text not null, created text not null, primary key (tenant, resource, username, level))`,
    `create table users (tenant text not null, username text not null, password_hash text not null,
      is_admin integer not null default 0, primary key (tenant, username))`,
    'create table revoked_tokens (jti text primary key, expires text not null)',
    'create table settings (name text primary key, sealed text not null)',
  ],
];

/**
 * Brings the schema to this program's version, under a lock; or, without `mayChange`, checks that it is there already.
 * @throws KilimError STORE_UNAVAILABLE where the schema is older or newer than the program
 */
export async function migrate(db: Db, kind: 'sqlite' | 'postgres', mayChange: boolean): Promise<void> {
  await db.transaction().execute(async (trx) => {
    if (kind === 'postgres') await sql`select pg_advisory_xact_lock(815405)`.execute(trx);
    if (mayChange)
      await sql`create table if not exists schema_version (version integer not null)`.execute(trx);
    const at = await versionOf(trx);
    if (at === STEPS.length) return;
    if (at > STEPS.length || !mayChange) {
      throw new KilimError(
        'STORE_UNAVAILABLE',
        `The store has schema ${at}, this program needs ${STEPS.length}: ${at > STEPS.length ? 'use a newer Kilim' : 'run "kilim migrate"'}.`,
      );
    }
    const serial = kind === 'postgres' ? 'bigserial primary key' : 'integer primary key autoincrement';
    for (const step of STEPS.slice(at)) for (const text of step(serial)) await sql.raw(text).execute(trx);
    await sql`delete from schema_version`.execute(trx);
    await trx.insertInto('schema_version').values({ version: STEPS.length }).execute();
  });
}

const versionOf = async (db: Kysely<Database>): Promise<number> => {
  const row = await db
    .selectFrom('schema_version')
    .select('version')
    .executeTakeFirst()
    .catch(() => undefined);
  return row?.version ?? 0;
};
