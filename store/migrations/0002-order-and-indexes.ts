import type { Step } from './step.js';

const SORTED = {
  jobs: [
    'uuid', 'tenant', 'owner', 'name', 'app_id', 'app_version', 'exec_system_id', 'archive_system_id', 'status', 'condition',
    'last_message', 'created', 'last_updated', 'ended', 'remote_job_id', 'remote_job_id2', 'remote_outcome', 'remote_result_info',
    'remote_submitted', 'remote_started', 'remote_ended', 'remote_last_status_check',
  ],
  grants: ['resource'],
  waiters: ['since'],
  systems: ['id'],
  apps: ['id', 'created'],
  profiles: ['name'],
  users: ['username'],
  idempotency_keys: ['created'],
  revoked_tokens: ['expires'],
}; // prettier-ignore

export const orderAndIndexes: Step = ({ isPostgres }) => [
  // a locale would order instants and resource prefixes by its own rules; SQLite compares bytes
  ...(isPostgres
    ? Object.entries(SORTED).map(
        ([table, columns]) =>
          `alter table ${table} ${columns.map((column) => `alter column ${column} type text collate "C"`).join(', ')}`,
      )
    : []),
  'create index jobs_of_owner_by_id on jobs (tenant, owner, id)',
  'create index reservations_of_job on reservations (job_uuid)',
  'create index waiters_of_job on waiters (job_uuid)',
  'create index idempotency_keys_by_age on idempotency_keys (created)',
  'create index revoked_tokens_by_expiry on revoked_tokens (expires)',
];
