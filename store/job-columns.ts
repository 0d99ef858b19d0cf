import { sql, type RawBuilder } from 'kysely';

import type { AttributeKind } from '../domain/search/attributes.js';
import type { JobsTable } from './database.js';

/** What a job is made of; the sealed columns are read only where they are asked for. */
export const JOB_COLUMNS = [
  'id', 'uuid', 'tenant', 'owner', 'plan', 'status', 'condition', 'last_message', 'rev', 'created', 'last_updated', 'ended',
  'visible', 'blocked_count', 'remote_job_id', 'remote_job_id2', 'remote_outcome', 'remote_result_info', 'remote_submitted',
  'remote_started', 'remote_ended', 'remote_checks_success', 'remote_checks_failed', 'remote_last_status_check', 'archived', 'paused_ms', 'used',
  'cancel_requested', 'launched_on',
] as const satisfies readonly (keyof JobsTable)[]; // prettier-ignore

/** Scalar attributes of a job (specification: jobs §1.8) that have a column. */
const COLUMN_OF: ReadonlyMap<string, keyof JobsTable> = new Map(Object.entries({
  id: 'id', uuid: 'uuid', name: 'name', owner: 'owner', tenant: 'tenant', status: 'status',
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
  createdby: ['createdby'], createdbyTenant: ['createdbyTenant'], execSystemConstraints: ['execSystemConstraints'],
  tags: ['tags'], sharedAppCtxAttribs: ['sharedAppCtxAttribs'],
})); // prettier-ignore

/** Those that are made of others, or the same for all jobs (api/wire.ts shows them). */
const MADE_OF: ReadonlyMap<string, RawBuilder<unknown>> = new Map(Object.entries({
  condition: sql`case when ended is not null then condition end`, // told to nobody before the end
  // casts: a bare number after ORDER BY is a place, a bare text an error
  remoteSubmitRetries: sql`cast(0 as integer)`, tapisQueue: sql`cast('tapis.jobq.submit.DefaultQueue' as text)`,
})); // prettier-ignore

/**
 * The value of an attribute, to sort by and to compare: its column, or its place in the plan. Numbers are numbers, booleans 0 and 1,
 * texts are ordered by their bytes. What a job of ours never has is null.
 */
export function jobAttribute(name: string, kind: AttributeKind, isPostgres: boolean): RawBuilder<unknown> {
  const made = MADE_OF.get(name);
  if (made) return made;
  const column = COLUMN_OF.get(name);
  if (column) return sql.ref(column);
  if (name === 'archiveOnAppError')
    return sql`case when ${jobAttribute('archiveMode', 'string', isPostgres)} = 'ALWAYS' then 1 else 0 end`;
  const place = PLACE_OF.get(name);
  if (!place) return sql`cast(null as text)`;
  return jsonPlace('plan', place, kind, isPostgres);
}

/** The value at a place in a JSON column: a number, 0 or 1 for a boolean, or a text that is ordered by its bytes. */
export function jsonPlace(
  column: 'plan' | 'head' | 'doc',
  place: readonly string[],
  kind: AttributeKind,
  isPostgres: boolean,
): RawBuilder<unknown> {
  if (!isPostgres) return sql`json_extract(${sql.ref(column)}, ${sql.lit(`$.${place.join('.')}`)})`;
  const path = sql.lit(`{${place.join(',')}}`);
  if (kind === 'array') return sql`(${sql.ref(column)}::jsonb #> ${path})`;
  const text = sql`(${sql.ref(column)}::jsonb #>> ${path})`;
  if (kind === 'number') return sql`${text}::numeric`;
  return kind === 'boolean' ? sql`${text}::boolean::int` : sql`${text} collate "C"`;
}
