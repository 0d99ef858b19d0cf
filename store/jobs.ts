import type { Kysely } from 'kysely';

import { KilimError } from '../domain/errors.js';
import type { JobPlan } from '../domain/jobs/job-plan.js';
import { watchKey } from '../domain/jobs/remote.js';
import { notDelivered } from '../domain/jobs/subscriptions.js';
import type { Database, Db } from './database.js';
import { lock } from './dialects.js';
import { JOB_COLUMNS } from './job-columns.js';
import { createJobLists } from './job-lists.js';
import { recordStatus } from './job-record.js';
import { addEvent, toEvent, toJob } from './job-rows.js';
import { ago, now } from './now.js';
import { createReservations } from './reservations.js';
import type { Seal } from './seal.js';
import { addSharedDirs, createSharers } from './sharers.js';
import { envOf, isCut, joinUrls, splitUrls, type Sealed } from './sealed-urls.js';
import type { JobStore } from './store.js';
import { clip } from './texts.js';

const PLANS_KEPT = 2_000;
const MOST_EVENTS = 100_000;
const KEY_LIVES_MS = 24 * 3_600_000;

/** @param reader answers lists and searches, so that they do not hold up the statements of `db` */
export function createJobStore(db: Db, reader: Db, seal: Seal): JobStore {
  const plans = new Map<string, JobPlan>(); // a plan never changes

  const rowOf = (uuid: string) =>
    db.selectFrom('jobs').select(JOB_COLUMNS).where('uuid', '=', uuid).executeTakeFirst();
  const find: JobStore['find'] = async (uuid) => {
    const row = await rowOf(uuid);
    return row ? toJob(row) : null;
  };
  const get: JobStore['get'] = async (uuid) => {
    const job = await find(uuid);
    if (!job) throw new KilimError('JOB_NOT_FOUND', `Job ${uuid} was not found.`);
    return job;
  };
  const getPlan: JobStore['getPlan'] = async (uuid) => {
    const plan = plans.get(uuid) ?? (await wholePlan(uuid));
    plans.delete(uuid);
    plans.set(uuid, plan); // the one used last goes last
    if (plans.size > PLANS_KEPT) plans.delete(plans.keys().next().value ?? '');
    return plan;
  };
  const sealed = async (uuid: string, column: 'env' | 'request'): Promise<string> => {
    const row = await db.selectFrom('jobs').select(column).where('uuid', '=', uuid).executeTakeFirst();
    if (!row) throw new KilimError('JOB_NOT_FOUND', `Job ${uuid} was not found.`);
    return seal.open(row[column] ?? '');
  };
  const getSealed = async (uuid: string): Promise<Sealed> => JSON.parse(await sealed(uuid, 'env')) as Sealed;
  const wholePlan = async (uuid: string): Promise<JobPlan> => {
    const { plan } = await get(uuid);
    return isCut(plan) ? joinUrls(plan, await getSealed(uuid)) : plan;
  };
  const findByKey = async (
    on: Kysely<Database>,
    tenant: string,
    caller: string,
    key: string,
    bodyHash: string,
  ) => {
    const row = await on.selectFrom('idempotency_keys').selectAll()
      .where('tenant', '=', tenant).where('caller', '=', caller).where('key', '=', key).where('created', '>', ago(KEY_LIVES_MS)).executeTakeFirst(); // prettier-ignore
    if (!row) return null;
    if (row.body_hash !== bodyHash)
      throw new KilimError(
        'CONFLICT',
        `The Idempotency-Key "${key}" was used with another body (job ${row.job_uuid}).`,
      );
    return row.job_uuid;
  };

  return {
    find,
    get,
    async add({ plan, env }, rawRequest, once) {
      const created = now();
      const { shown, sealed: besides } = splitUrls(plan, env);
      const uuid = await db.transaction().execute(async (trx) => {
        if (once) {
          await lock(trx, [`once ${plan.tenant} ${once.caller} ${once.key}`]);
          const older = await findByKey(trx, plan.tenant, once.caller, once.key, once.bodyHash);
          if (older) return older;
          await trx.deleteFrom('idempotency_keys').where('created', '<=', ago(KEY_LIVES_MS)).execute();
          await trx.insertInto('idempotency_keys')
            .values({ tenant: plan.tenant, caller: once.caller, key: once.key, body_hash: once.bodyHash, job_uuid: plan.uuid, created }).execute(); // prettier-ignore
        }
        await trx.insertInto('jobs').values({
          uuid: plan.uuid, tenant: plan.tenant, owner: plan.owner, name: plan.name, app_id: plan.appId, app_version: plan.appVersion,
          exec_system_id: plan.exec.systemId, archive_system_id: plan.archive.systemId,
          watch_key: watchKey(plan.tenant, plan.exec), keeper: plan.keeper,
          plan: JSON.stringify(shown), env: seal.close(JSON.stringify(besides)), request: seal.close(rawRequest),
          status: 'PENDING', last_message: 'Job created', rev: 0, created, last_updated: created, visible: 1, blocked_count: 0,
          remote_checks_success: 0, remote_checks_failed: 0, archived: 0, paused_ms: 0, cancel_requested: 0,
        }).execute(); // prettier-ignore
        await addEvent(trx, plan, 'JOB_NEW_STATUS', 'PENDING', {
          message: 'Job created',
          newJobStatus: 'PENDING',
          oldJobStatus: null,
        });
        await addSharedDirs(trx, plan);
        if (plan.subscriptions.length > 0)
          await addEvent(trx, plan, 'JOB_SUBSCRIPTION', 'ADDED', { message: notDelivered(plan) });
        return plan.uuid;
      });
      return get(uuid);
    },
    async findByIdempotencyKey(tenant, caller, key, bodyHash) {
      const uuid = await findByKey(db, tenant, caller, key, bodyHash);
      return uuid ? get(uuid) : null;
    },
    getPlan,
    getEnv: async (uuid) => envOf(await getSealed(uuid)),
    getRawRequest: (uuid) => sealed(uuid, 'request'),
    ...createJobLists(db, reader),
    record: (record) => recordStatus(db, record),
    ...createReservations(db),
    ...createSharers(db),
    async setRemoteJobId(uuid, remoteJobId, remoteJobId2 = null) {
      await db
        .updateTable('jobs')
        .set({ remote_job_id: remoteJobId, remote_job_id2: remoteJobId2 })
        .where('uuid', '=', uuid)
        .execute();
    },
    async bindToHost(uuid, identity) {
      const row = await db.updateTable('jobs')
        .set((eb) => ({ launched_on: eb.fn.coalesce('launched_on', eb.val(identity)) }))
        .where('uuid', '=', uuid).returning('launched_on').executeTakeFirst(); // prettier-ignore
      if (!row) throw new KilimError('JOB_NOT_FOUND', `Job ${uuid} was not found.`);
      return row.launched_on ?? identity;
    },
    async unbindFromHost({ tenant, systemId, owner, watchKey: key }) {
      const freed = await db.updateTable('jobs').set({ launched_on: null })
        .where('tenant', '=', tenant).where('exec_system_id', '=', systemId).where('ended', 'is', null)
        .where('launched_on', 'is not', null)
        .$if(owner !== null, (all) => all.where((eb) => eb.or([eb('owner', '=', owner), eb('watch_key', '=', key)])))
        .returning('uuid').execute(); // prettier-ignore
      return freed.length;
    },
    async setRemoteEnd(uuid, { remoteOutcome, remoteResultInfo }, usage) {
      await db.updateTable('jobs').set((eb) => ({
        remote_outcome: remoteOutcome ?? null, remote_ended: now(),
        // a run that was over before anybody saw it began when it says
        remote_started: eb.fn.coalesce('remote_started', eb.val(ago(usage?.elapsedMs ?? 0))),
        ...(remoteResultInfo === undefined ? {} : { remote_result_info: clip(remoteResultInfo) }),
        ...(usage ? { used: JSON.stringify(usage) } : {}),
      })).where('uuid', '=', uuid).where('remote_outcome', 'is', null).execute(); // prettier-ignore
    },
    async countCheck(uuid, succeeded, message) {
      const at = now();
      await db.updateTable('jobs').set((eb) => ({
        remote_last_status_check: at, last_updated: at,
        remote_checks_success: eb('remote_checks_success', '+', succeeded ? 1 : 0),
        remote_checks_failed: eb('remote_checks_failed', '+', succeeded ? 0 : 1),
        ...(message ? { last_message: clip(message) } : {}),
      })).where('uuid', '=', uuid).where('ended', 'is', null).execute(); // prettier-ignore
    },
    async setMessage(uuid, message) {
      await db
        .updateTable('jobs')
        .set({ last_message: clip(message), last_updated: now() })
        .where('uuid', '=', uuid)
        .where('ended', 'is', null) // the last word stands
        .execute();
    },
    async setVisible(uuid, visible) {
      await db
        .updateTable('jobs')
        .set({ visible: visible ? 1 : 0, last_updated: now() })
        .where('uuid', '=', uuid)
        .execute();
    },
    async addEvent(uuid, event, detail, description) {
      const plan = await getPlan(uuid);
      await addEvent(db, plan, event, detail, description);
    },
    async events(uuid, limit, skip) {
      const rows = await db
        .selectFrom('job_events')
        .selectAll()
        .where('job_uuid', '=', uuid)
        .orderBy('id')
        .limit(limit < 0 ? MOST_EVENTS : limit)
        .offset(skip)
        .execute();
      return rows.map(toEvent);
    },
    async quiet(olderThanMs, { isUrgent, after, limit }) {
      const quiet = db.selectFrom('jobs')
        .select(({ fn }) => [
          'id', 'uuid', 'status', 'cancel_requested',
          fn.agg<number>('row_number').over((ob) => ob.partitionBy(['tenant', 'owner']).orderBy('id')).as('turn'),
        ])
        .where('ended', 'is', null).where('last_updated', '<', ago(olderThanMs))
        .where((eb) => {
          const urgent = eb.or([eb('status', '=', 'PENDING'), eb('cancel_requested', '=', 1)]);
          return isUrgent ? urgent : eb.not(urgent);
        }); // prettier-ignore
      const rows = await db
        .selectFrom(quiet.as('quiet'))
        .selectAll()
        .where((eb) =>
          eb.or([eb('turn', '>', after.turn), eb('turn', '=', after.turn).and('id', '>', after.id)]),
        )
        .orderBy('turn')
        .orderBy('id')
        .limit(limit)
        .execute();
      return rows.map((row) => ({
        id: Number(row.id),
        turn: Number(row.turn),
        uuid: row.uuid,
        status: toStatus(row.status),
        cancelRequested: row.cancel_requested === 1,
      }));
    },
    async requestCancel(uuid) {
      await db.updateTable('jobs').set({ cancel_requested: 1 }).where('uuid', '=', uuid).execute();
    },
    async countByStatus() {
      const rows = await db
        .selectFrom('jobs')
        .select((eb) => ['status', eb.fn.countAll<number>().as('n')])
        .groupBy('status')
        .execute();
      return Object.fromEntries(rows.map(({ status, n }) => [status, Number(n)]));
    },
  };
}

const toStatus = (text: string) => text as Awaited<ReturnType<JobStore['quiet']>>[number]['status'];
