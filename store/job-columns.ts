import { sql, type RawBuilder } from 'kysely';

import { KilimError } from '../domain/errors.js';
import type { JobsTable } from './database.js';

/** What a job is made of; the sealed columns are read only where they are asked for. */
export const JOB_COLUMNS = [
  'id', 'uuid', 'tenant', 'owner', 'plan', 'status', 'condition', 'last_message', 'rev', 'created', 'last_updated', 'ended',
  'visible', 'blocked_count', 'remote_job_id', 'remote_job_id2', 'remote_outcome', 'remote_result_info', 'remote_submitted',
  'remote_started', 'remote_ended', 'remote_checks_success', 'remote_checks_failed', 'remote_last_status_check', 'archived', 'paused_ms', 'used',
  'cancel_requested',
] as const satisfies readonly (keyof JobsTable)[]; // prettier-ignore

/** Scalar attributes of a job (specification: jobs §1.8) that have a column. */
const COLUMN_OF: ReadonlyMap<string, keyof JobsTable> = new Map(Object.entries({
  id: 'id', uuid: 'uuid', name: 'name', owner: 'owner', tenant: 'tenant', status: 'status', condition: 'condition',
  lastMessage: 'last_message', created: 'created', ended: 'ended', lastUpdated: 'last_updated', visible: 'visible',
  appId: 'app_id', appVersion: 'app_version', execSystemId: 'exec_system_id', archiveSystemId: 'archive_system_id',
  blockedCount: 'blocked_count', remoteJobId: 'remote_job_id', remoteJobId2: 'remote_job_id2', remoteOutcome: 'remote_outcome',
  remoteResultInfo: 'remote_result_info', remoteSubmitted: 'remote_submitted', remoteStarted: 'remote_started', remoteEnded: 'remote_ended',
  remoteChecksSuccess: 'remote_checks_success', remoteChecksFailed: 'remote_checks_failed',
  remoteLastStatusCheck: 'remote_last_status_check',
} satisfies Record<string, keyof JobsTable>)); // prettier-ignore

/** Those that never change stand in the plan: where in it. */
const PLACE_OF: ReadonlyMap<string, readonly string[]> = new Map(Object.entries({
  description: ['description'], jobType: ['jobType'], archiveMode: ['archiveMode'], dynamicExecSystem: ['dynamicExecSystem'],
  execSystemExecDir: ['execSystemExecDir'], execSystemInputDir: ['execSystemInputDir'], execSystemOutputDir: ['execSystemOutputDir'],
  execSystemLogicalQueue: ['logicalQueue'], remoteQueue: ['hpcQueue'], archiveSystemDir: ['archiveSystemDir'],
  dtnSystemId: ['dtn', 'systemId'], dtnSystemInputDir: ['dtn', 'inputDir'], dtnSystemOutputDir: ['dtn', 'outputDir'],
  nodeCount: ['nodeCount'], coresPerNode: ['coresPerNode'], memoryMB: ['memoryMB'], maxMinutes: ['maxMinutes'],
  mpi: ['isMpi'], isMpi: ['isMpi'], mpiCmd: ['mpiCmd'], cmdPrefix: ['cmdPrefix'], sharedAppCtx: ['sharedAppCtx'],
  createdby: ['createdby'], createdbyTenant: ['createdbyTenant'],
})); // prettier-ignore

/**
 * What to sort by for an attribute: its column, or its place in the plan, where numbers stay numbers.
 * @throws KilimError INVALID_REQUEST
 */
export function sortable(attribute: string, isPostgres: boolean): RawBuilder<unknown> {
  const column = COLUMN_OF.get(attribute);
  if (column) return sql.ref(column);
  const place = PLACE_OF.get(attribute);
  if (!place) {
    const known = [...COLUMN_OF.keys(), ...PLACE_OF.keys()].sort().join(', ');
    throw new KilimError(
      'INVALID_REQUEST',
      `orderBy: "${attribute}" is no attribute to sort by; known are ${known}`,
    );
  }
  if (isPostgres) return sql`nullif(plan::jsonb #> ${sql.lit(`{${place.join(',')}}`)}, 'null'::jsonb)`;
  return sql`json_extract(plan, ${sql.lit(`$.${place.join('.')}`)})`;
}
