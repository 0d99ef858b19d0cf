import type { Step } from './step.js';

const LARGE = {
  systems: ['jobRuntimes', 'jobEnvVariables', 'batchLogicalQueues', 'jobCapabilities', 'notes'],
  apps: ['jobAttributes', 'notes'],
};

const HEAD =
  "owner text not null default '', deleted integer not null default 0, head text not null default '{}'";

/** The small columns first: SQLite reads a row from its begin, and to reach what stands behind a large text it reads that. */
const SMALL_FIRST = {
  systems: `tenant text not null, id text not null, host_key text, ${HEAD}, doc text not null, primary key (tenant, id)`,
  apps: `tenant text not null, id text not null, version text not null, created text not null, ${HEAD}, doc text not null,
    primary key (tenant, id, version)`,
  jobs: `id integer primary key autoincrement, uuid text not null unique, tenant text not null, owner text not null, name text not null,
    app_id text not null, app_version text not null, exec_system_id text not null, archive_system_id text not null,
    watch_key text not null, keeper text not null, status text not null, condition text, rev integer not null default 0,
    created text not null, last_updated text not null, ended text, visible integer not null default 1,
    blocked_count integer not null default 0, remote_job_id text, remote_job_id2 text, remote_outcome text,
    remote_submitted text, remote_started text, remote_ended text,
    remote_checks_success integer not null default 0, remote_checks_failed integer not null default 0,
    remote_last_status_check text, archived integer not null default 0, paused_ms bigint not null default 0,
    cancel_requested integer not null default 0, used text, last_message text not null, remote_result_info text,
    plan text not null, env text not null, request text not null`,
};

const OLD_COLUMNS = {
  systems: 'tenant, id, host_key, doc',
  apps: 'tenant, id, version, created, doc',
  jobs: `id, uuid, tenant, owner, name, app_id, app_version, exec_system_id, archive_system_id, watch_key, keeper, status, condition, rev,
    created, last_updated, ended, visible, blocked_count, remote_job_id, remote_job_id2, remote_outcome, remote_submitted, remote_started,
    remote_ended, remote_checks_success, remote_checks_failed, remote_last_status_check, archived, paused_ms, cancel_requested, used,
    last_message, remote_result_info, plan, env, request`,
};

const JOB_INDEXES = [
  'create index jobs_of_owner on jobs (tenant, owner, created)',
  'create index live_jobs on jobs (watch_key) where ended is null',
  'create index quiet_jobs on jobs (last_updated) where ended is null',
  'create index jobs_of_owner_by_id on jobs (tenant, owner, id)',
  'create index jobs_by_status on jobs (status)',
];

const rebuilt = (table: keyof typeof SMALL_FIRST): string[] => [
  `alter table ${table} rename to ${table}_before`,
  `create table ${table} (${SMALL_FIRST[table]})`,
  `insert into ${table} (${OLD_COLUMNS[table]}) select ${OLD_COLUMNS[table]} from ${table}_before`,
  `drop table ${table}_before`,
];

/**
 * Lists of systems and applications read a small part of each row: its owner, whether it is deleted, and the `head`, which
 * is the document without its large members. A list of a thousand rows then never reads a thousand documents.
 */
export const heads: Step = ({ isPostgres }) => [
  ...(isPostgres
    ? (['systems', 'apps'] as const).flatMap((table) => [
        ...HEAD.split(', ').map((column) => `alter table ${table} add column ${column}`),
        `alter table ${table} alter column owner type text collate "C"`,
        `update ${table} set owner = doc::jsonb ->> 'owner', deleted = coalesce((doc::jsonb ->> 'deleted')::boolean::int, 0),
          head = (doc::jsonb - '{${LARGE[table].join(',')}}'::text[])::text`,
      ])
    : [
        ...rebuilt('systems'),
        ...rebuilt('apps'),
        ...rebuilt('jobs'),
        ...JOB_INDEXES,
        ...(['systems', 'apps'] as const).map(
          (
            table,
          ) => `update ${table} set owner = json_extract(doc, '$.owner'), deleted = coalesce(json_extract(doc, '$.deleted'), 0),
            head = json_remove(doc, ${LARGE[table].map((name) => `'$.${name}'`).join(', ')})`,
        ),
      ]),
  'create index systems_of_owner on systems (tenant, owner, id)',
  'create index apps_of_owner on apps (tenant, owner, id)',
  // how many permissions a user has given, and how many jobs of a user live, is asked before each further one
  'create index grants_of_grantor on grants (tenant, grantor)',
  'create index grants_of_user on grants (tenant, username, level, resource)',
  'create index live_jobs_of_owner on jobs (tenant, owner) where ended is null',
];
