import { createHash } from 'node:crypto';

import { KilimError } from '../../domain/errors.js';
import type { Job } from '../../domain/jobs/job.js';
import { isTerminal } from '../../domain/jobs/status.js';
import { notDelivered } from '../../domain/jobs/subscriptions.js';
import { getAttribute, JOB_ATTRIBUTES } from '../../domain/search/attributes.js';
import type { Condition } from '../../domain/search/condition.js';
import { runtimes } from '../../runtimes/index.js';
import { schedulers } from '../../schedulers/index.js';
import { JobRequest } from '../../schemas/job-request.js';
import { parseBody } from '../../schemas/parse.js';
import { jobFor, visibleJobFor } from '../authorize.js';
import type { ApiDeps, Caller } from '../deps.js';
import { listInTurn } from '../list-turns.js';
import { flag, listMetadata, MOST_RECORDS, MOST_SUMMARIES, pagingOf } from '../paging.js';
import { plan } from '../planner.js';
import { route, type Answer, type Call, type Route } from '../route.js';
import { refuseMoreJobs } from '../user-limits.js';
import { searchRoutes } from '../search.js';
import { sliced } from '../slices.js';
import { eventRecord, jobInList, jobRecord } from '../wire.js';

const record = async (job: Job, { store }: ApiDeps): Promise<Record<string, unknown>> =>
  jobRecord(job, await store.jobs.getEnv(job.uuid));

/** `asked` is what an idempotency key stands for: the same of it gives the same job, anything else is refused. */
async function submit(
  body: unknown,
  raw: string,
  asked: string,
  { caller, headers }: Call,
  deps: ApiDeps,
): Promise<Answer> {
  const { store, engine } = deps;
  const idempotencyKey = headers['idempotency-key'];
  const bodyHash = createHash('sha256').update(asked).digest('hex');
  if (idempotencyKey !== undefined && !/^[\x21-\x7e]{1,255}$/.test(idempotencyKey))
    throw new KilimError('INVALID_REQUEST', 'Idempotency-Key: must be 1 to 255 visible ASCII characters');
  const once = idempotencyKey ? { key: idempotencyKey, caller: caller.user, bodyHash } : undefined;
  const older = once
    ? await store.jobs.findByIdempotencyKey(caller.tenant, once.caller, once.key, bodyHash)
    : null;
  if (older)
    return {
      says: `JOBS_CREATED Job ${older.uuid} was created before with this Idempotency-Key.`,
      result: await record(older, deps),
    };
  const request = parseBody(JobRequest, body);
  await refuseMoreJobs(caller, deps);
  const planned = await plan(request, caller, deps);
  const job = await store.jobs.add(planned, raw, once); // the committed row is the promise
  engine.start(job);
  const says = `JOBS_CREATED Job ${job.uuid} created. ${notDelivered(job.plan)}`.trim();
  return { says, result: jobRecord(job, planned.env) };
}

const submitJob = route({
  method: 'post',
  path: '/v3/jobs/submit',
  handle: async (call, deps) => {
    const { body, bodyText, caller, query, headers } = call;
    if (flag('dryRun', query['dryRun'])) return dryRun(body, caller, deps);
    // kept as JSON, so that it can be submitted again, however it came
    const raw = /json/i.test(headers['content-type'] ?? 'json') ? bodyText : JSON.stringify(body);
    return submit(body, raw, raw, call, deps);
  },
});

/** The resolved job and the very script that would run; touches nothing but HOST_EVAL. */
async function dryRun(body: unknown, caller: Caller, deps: ApiDeps): Promise<Answer> {
  const { plan: made, env } = await plan(parseBody(JobRequest, body), caller, deps);
  const phrase = runtimes[made.runtime].phrase(made);
  const script = schedulers[made.keeper].script(made, phrase, deps.installation);
  return { says: 'JOBS_DRY_RUN Nothing was started.', result: { plan: made, envVariables: env, script } };
}

/** Who may not see the first job may not use its request either; an unknown one is 400 here (jobs §1.4). */
async function rawRequestOf({ caller, params }: Call, { store }: ApiDeps): Promise<string> {
  const uuid = params['uuid'] ?? '';
  const raw = await jobFor(store, caller, uuid).then(
    (job) => store.jobs.getRawRequest(job.uuid),
    (error: unknown) => {
      const isUnknown = error instanceof KilimError && error.code === 'JOB_NOT_FOUND';
      throw isUnknown
        ? new KilimError('INVALID_REQUEST', `JOBS_JOBRESUBMIT_NOT_FOUND ${error.message}`)
        : error;
    },
  );
  if (!raw)
    throw new KilimError(
      'INVALID_REQUEST',
      `JOBS_JOBRESUBMIT_NOT_FOUND The request of job ${uuid} was not kept.`,
    );
  return raw;
}

const resubmit = route({
  method: 'post',
  path: '/v3/jobs/:uuid/resubmit',
  handle: async (call, deps) => {
    const raw = await rawRequestOf(call, deps);
    const body: unknown = JSON.parse(raw);
    if (flag('dryRun', call.query['dryRun'])) return dryRun(body, call.caller, deps);
    return submit(body, raw, `resubmit ${call.params['uuid'] ?? ''}`, call, deps);
  },
});

const resubmitRequest = route({
  method: 'get',
  path: '/v3/jobs/:uuid/resubmit_request',
  handle: async (call, deps) => ({
    says: 'JOBS_RESUBMIT_REQUEST_RETRIEVED',
    // an object: a client's model of a text has no members (jobs §1.4)
    result: JSON.parse(await rawRequestOf(call, deps)) as unknown,
  }),
});

/** What a list shows of each job, and how many jobs a page may have. */
interface Shape {
  most: number;
  /** Whole jobs are read for it, not only their summaries. */
  isWhole: boolean;
  read: (ids: readonly number[]) => Promise<unknown[]>;
}

/** A list of the caller's jobs, or of those that a search asks for. */
async function list(
  call: Call,
  { store }: ApiDeps,
  where: Condition | undefined,
  { most, isWhole, read }: Shape,
): Promise<Answer> {
  const { caller, query } = call;
  const paging = pagingOf(call, JOB_ATTRIBUTES, most);
  const listType = query['listType'] ?? 'MY_JOBS';
  if (!['MY_JOBS', 'SHARED_JOBS', 'ALL_JOBS'].includes(listType))
    throw new KilimError(
      'INVALID_REQUEST',
      `listType: "${listType}" must be MY_JOBS, SHARED_JOBS or ALL_JOBS`,
    );
  if (query['startAfter'] !== undefined)
    throw new KilimError('INVALID_REQUEST', 'startAfter: is not supported; use skip and limit');
  const isMine = listType !== 'SHARED_JOBS'; // jobs cannot be shared yet
  const { ids, total } = isMine
    ? await listInTurn(caller, () =>
        store.jobs.list({ tenant: caller.tenant, owner: caller.user, ...paging, ...(where && { where }) }),
      )
    : { ids: [], total: 0 };
  return {
    says:
      ids.length > 0 ? `JOBS_SEARCH_RESULT_LIST_RETRIEVED ${ids.length} jobs` : 'JOBS_SEARCH_NO_JOBS_FOUND',
    slices: sliced(ids, isWhole, read),
    metadata: listMetadata(call, paging, ids.length, total),
  };
}

const summaries = ({ store }: ApiDeps): Shape => ({
  most: MOST_SUMMARIES,
  isWhole: false,
  read: (ids) => store.jobs.summaries(ids),
});

const listJobs = route({
  method: 'get',
  path: '/v3/jobs/list',
  handle: (call, deps) => list(call, deps, undefined, summaries(deps)),
});

const searchJobs = searchRoutes(
  '/v3/jobs/search',
  { table: JOB_ATTRIBUTES, plainNames: 'refuse' },
  (call, deps, condition) => list(call, deps, condition, chosen(call.query['select'], deps)),
);

/** What `select` leaves of a job (specification: jobs §1.6). @throws KilimError INVALID_REQUEST for an unknown attribute */
function chosen(select: string | undefined, deps: ApiDeps): Shape {
  const words = (select ?? '').split(',').map((word) => word.trim()).filter(Boolean); // prettier-ignore
  const each = (shape: (job: Job) => Promise<unknown>): Shape => ({
    most: MOST_RECORDS,
    isWhole: true,
    read: async (ids) => Promise.all((await deps.store.jobs.many(ids)).map(shape)),
  });
  if (words.includes('allAttributes')) return each((job) => record(job, deps));
  const hasSummary = words.length === 0 || words.includes('summaryAttributes');
  const names = words
    .filter((word) => word !== 'summaryAttributes')
    .map((word) => getAttribute(JOB_ATTRIBUTES, word, 'select').name);
  if (names.length === 0) return summaries(deps);
  if (!hasSummary && !names.includes('id')) names.push('uuid');
  return each(async (job) => {
    // only parameterSet shows the sealed environment, so it is read for that attribute alone
    const all = names.includes('parameterSet') ? await record(job, deps) : jobRecord(job, []);
    const some = Object.fromEntries(names.map((name) => [name, all[name] ?? null]));
    return hasSummary ? { ...jobInList(job), ...some } : some;
  });
}

const getJob = route({
  method: 'get',
  path: '/v3/jobs/:uuid',
  handle: async ({ caller, params }, deps) => {
    const job = await jobFor(deps.store, caller, params['uuid'] ?? '');
    return { says: `JOBS_RETRIEVED Job ${job.uuid} retrieved.`, result: await record(job, deps) };
  },
});

const getStatus = route({
  method: 'get',
  path: '/v3/jobs/:uuid/status',
  handle: async ({ caller, params }, { store }) => {
    const job = await visibleJobFor(store, caller, params['uuid'] ?? '');
    // a condition is set before the end and told with it
    return {
      says: `JOBS_STATUS_RETRIEVED Job ${job.uuid}`,
      result: { status: job.status, condition: isTerminal(job.status) ? job.condition : null },
    };
  },
});

const getHistory = route({
  method: 'get',
  path: '/v3/jobs/:uuid/history',
  handle: async (call, { store }) => {
    const job = await visibleJobFor(store, call.caller, call.params['uuid'] ?? '');
    const paging = pagingOf(call);
    const events = await store.jobs.events(job.uuid, paging.limit, paging.skip);
    return {
      says: `JOBS_HISTORY_RETRIEVED ${events.length} events`,
      slices: sliced(events, false, (some) => Promise.resolve(some.map(eventRecord))),
      metadata: listMetadata(call, paging, events.length, -1),
    };
  },
});

const live = async ({ caller, params }: Call, deps: ApiDeps, what: string): Promise<Job> => {
  const job = await jobFor(deps.store, caller, params['uuid'] ?? '');
  if (isTerminal(job.status))
    throw new KilimError('CONFLICT', `Job ${job.uuid} is ${job.status} and cannot be ${what}.`, {
      name: job.uuid,
    });
  return job;
};

const cancelJob = route({
  method: 'post',
  path: '/v3/jobs/:uuid/cancel',
  handle: async (call, deps) => {
    const job = await live(call, deps, 'cancelled');
    await deps.store.jobs.requestCancel(job.uuid); // kept, so that the reconciler sends it where Temporal is down
    await deps.engine.cancel(job.uuid);
    return {
      says: `JOBS_JOB_CANCEL_ACCEPTED Cancel of ${job.uuid} accepted.`,
      result: {
        message: `JOBS_JOB_CANCEL_ACCEPTED_DETAILS Request to cancel job ${job.uuid} has been accepted.`,
      },
    };
  },
});

const order = (name: 'pause' | 'resume'): Route =>
  route({
    method: 'post',
    path: `/v3/jobs/:uuid/${name}`,
    handle: async (call, deps) => {
      const job = await live(call, deps, `${name}d`);
      if (!(await deps.engine.signal(job.uuid, name, { by: call.caller.user }))) {
        throw new KilimError('ENGINE_UNAVAILABLE', `The engine does not answer; ${name} was not taken.`);
      }
      return {
        says: `JOBS_JOB_${name.toUpperCase()}_ACCEPTED`,
        result: {
          message: `Request to ${name} job ${job.uuid} has been accepted; its status and lastMessage tell what was done.`,
        },
      };
    },
  });

const setVisible = (name: 'hide' | 'unhide'): Route =>
  route({
    method: 'post',
    path: `/v3/jobs/:uuid/${name}`,
    handle: async ({ caller, params }, { store }) => {
      const job = await jobFor(store, caller, params['uuid'] ?? '');
      if (!isTerminal(job.status))
        throw new KilimError('CONFLICT', `Job ${job.uuid} is ${job.status}; only ended jobs can be hidden.`, {
          name: job.uuid,
        });
      await store.jobs.setVisible(job.uuid, name === 'unhide');
      return {
        says: `JOBS_JOB_${name.toUpperCase()}N`,
        result: { message: `Job ${job.uuid} is ${name === 'hide' ? 'hidden' : 'visible'}.` },
      };
    },
  });

/** Jobs (specification: jobs §1). */
export const jobRoutes: readonly Route[] = [
  submitJob, listJobs, ...searchJobs, resubmit, resubmitRequest, getStatus, getHistory, cancelJob, order('pause'), order('resume'), setVisible('hide'), setVisible('unhide'), getJob,
]; // prettier-ignore
