import { getAttribute, JOB_ATTRIBUTES } from '../domain/search/attributes.js';
import type { Condition } from '../domain/search/condition.js';
import { isTerminal, type JobStatus } from '../domain/jobs/status.js';
import { inBatches, inOrder } from './batches.js';
import { countRows } from './count.js';
import type { Db } from './database.js';
import { isPostgres } from './dialects.js';
import { JOB_COLUMNS, jobAttribute } from './job-columns.js';
import { toJob } from './job-rows.js';
import { searchSql } from './search-sql.js';
import type { JobQuery, JobStore } from './store.js';

const ALL: Condition = { is: 'and', all: [] };

/** The columns of a summary. The plan is not among them, because it may be large. */
const SUMMARY_COLUMNS = [
  'id', 'uuid', 'name', 'owner', 'app_id', 'created', 'status', 'condition', 'remote_started', 'ended', 'tenant',
  'exec_system_id', 'archive_system_id', 'app_version', 'last_updated',
] as const; // prettier-ignore

/** Lists of jobs: first the ids of a page are read, then what is shown of these jobs, slice by slice. */
export const createJobLists = (
  db: Db,
  reader: Db,
): Pick<JobStore, 'list' | 'summaries' | 'many' | 'countLive'> => ({
  list: (query) => list(reader, query),
  async summaries(ids) {
    const rows = await inBatches(ids, (some) =>
      reader.selectFrom('jobs').select(SUMMARY_COLUMNS).where('id', 'in', some).execute(),
    );
    return inOrder(ids, rows, ({ id }) => id).map((row) => ({
      uuid: row.uuid,
      name: row.name,
      owner: row.owner,
      appId: row.app_id,
      created: row.created,
      status: row.status as JobStatus,
      // the condition is set before the job ends, and shown only from its end on
      condition: isTerminal(row.status as JobStatus) ? row.condition : null,
      remoteStarted: row.remote_started,
      ended: row.ended,
      tenant: row.tenant,
      execSystemId: row.exec_system_id,
      archiveSystemId: row.archive_system_id,
      appVersion: row.app_version,
      lastUpdated: row.last_updated,
    }));
  },
  async many(ids) {
    const rows = await inBatches(ids, (some) =>
      reader.selectFrom('jobs').select(JOB_COLUMNS).where('id', 'in', some).execute(),
    );
    return inOrder(ids, rows, ({ id }) => id).map(toJob);
  },
  countLive: (tenant, owner) =>
    countRows(
      db
        .selectFrom('jobs')
        .where('tenant', '=', tenant)
        .where('owner', '=', owner)
        .where('ended', 'is', null),
    ),
});

async function list(
  db: Db,
  { tenant, owner, where = ALL, orderBy, limit, skip, computeTotal }: JobQuery,
): ReturnType<JobStore['list']> {
  const scope = db
    .selectFrom('jobs')
    .where('tenant', '=', tenant)
    .where('owner', '=', owner)
    .where('visible', '=', 1)
    .where(searchSql(where, isPostgres(db), jobAttribute));
  let page = scope.select('id');
  for (const { attribute, direction } of orderBy) {
    const { name, kind } = getAttribute(JOB_ATTRIBUTES, attribute, 'orderBy');
    // the databases differ in where they sort NULL
    page = page.orderBy(jobAttribute(name, kind, isPostgres(db)), (by) =>
      direction === 'asc' ? by.asc().nullsFirst() : by.desc().nullsLast(),
    );
  }
  const rows = await page
    .orderBy('id', orderBy.length > 0 ? 'asc' : 'desc')
    .limit(limit)
    .offset(skip)
    .execute();
  const total = computeTotal ? await countRows(scope) : -1;
  return { ids: rows.map(({ id }) => id), total };
}
