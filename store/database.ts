import type { Generated, Kysely } from 'kysely';

/* Instants are ISO texts, booleans 0 and 1, documents JSON texts: the same on SQLite and PostgreSQL. */

export interface Database {
  jobs: JobsTable;
  job_events: EventsTable;
  idempotency_keys: {
    tenant: string;
    caller: string;
    key: string;
    body_hash: string;
    job_uuid: string;
    created: string;
  };
  reservations: { key: string; job_uuid: string; created: string };
  waiters: { key: string; job_uuid: string; since: string; woken: string | null };
  host_snapshots: { watch_key: string; taken_at: string };
  remote_states: { job_uuid: string; watch_key: string; state: string; seen_at: string };
  probes: { subject: string; claimed_ms: number; ok: number | null; said: string | null; at: string | null };
  systems: { tenant: string; id: string; doc: string; host_key: string | null } & HeadColumns;
  credentials: {
    tenant: string;
    system_id: string;
    kind: string;
    target: string;
    sealed: string;
    host: string;
    port: number;
  };
  apps: { tenant: string; id: string; version: string; created: string; doc: string } & HeadColumns;
  profiles: { tenant: string; name: string; doc: string };
  grants: {
    tenant: string;
    resource: string;
    username: string;
    level: string;
    grantor: string;
    created: string;
  };
  users: { tenant: string; username: string; password_hash: string; is_admin: number };
  lockouts: {
    tenant: string;
    username: string;
    disabled: number;
    generation: number;
    revoked_at: string | null;
  };
  revoked_tokens: { jti: string; expires: string };
  settings: { name: string; sealed: string };
  marks: { name: string; at: string };
  shared_dirs: {
    id: Generated<number>;
    tenant: string;
    place: string;
    job_uuid: string;
    ended: string | null;
  };
  orphans: {
    watch_key: string;
    system_id: string;
    uuid: string;
    host: string;
    what: string;
    first_seen: string;
    last_seen: string;
    decision: string | null;
  };
  schema_version: { version: number };
}

/** The columns that lists read instead of the whole document. */
interface HeadColumns {
  owner: string;
  deleted: number;
  head: string;
}

export interface JobsTable {
  id: Generated<number>;
  uuid: string;
  tenant: string;
  owner: string;
  name: string;
  app_id: string;
  app_version: string;
  exec_system_id: string;
  archive_system_id: string;
  watch_key: string;
  keeper: string;
  plan: string;
  /** Sealed: environment values, and the request as it came. */
  env: string;
  request: string;
  status: string;
  condition: string | null;
  last_message: string;
  rev: number;
  created: string;
  last_updated: string;
  ended: string | null;
  visible: number;
  blocked_count: number;
  remote_job_id: string | null;
  remote_job_id2: string | null;
  launched_on: string | null;
  remote_outcome: string | null;
  remote_result_info: string | null;
  remote_submitted: string | null;
  remote_started: string | null;
  remote_ended: string | null;
  remote_checks_success: number;
  remote_checks_failed: number;
  remote_last_status_check: string | null;
  archived: number;
  paused_ms: number;
  cancel_requested: number;
  used: string | null;
}

export interface EventsTable {
  id: Generated<number>;
  job_uuid: string;
  tenant: string;
  event: string;
  event_detail: string;
  description: string;
  created: string;
}

export type Db = Kysely<Database>;
