import { explain } from '../../domain/jobs/explain.js';
import type { Job } from '../../domain/jobs/job.js';
import { visibleJobFor } from '../authorize.js';
import type { ApiDeps } from '../deps.js';
import { route, type Route } from '../route.js';

/** Since when a job has been in its status: of its last change, whatever was said of it later. */
async function sinceOf({ store }: ApiDeps, job: Job): Promise<string> {
  const events = await store.jobs.events(job.uuid, -1, 0);
  return events.findLast(({ event }) => event === 'JOB_NEW_STATUS')?.created ?? job.created;
}

const explainJob = route({
  method: 'get',
  path: '/v3/jobs/:uuid/explain',
  handle: async ({ caller, params }, deps) => {
    const job = await visibleJobFor(deps.store, caller, params['uuid'] ?? '');
    const [since, found, step, ahead] = await Promise.all([
      sinceOf(deps, job),
      deps.store.watch.findState(job.uuid),
      job.ended === null ? deps.engine.step(job.uuid) : null,
      job.status === 'BLOCKED' ? deps.store.jobs.ahead(job.uuid) : null,
    ]);
    const seen = found ? { state: found.state, at: found.seenAt } : null;
    return {
      says: `JOBS_EXPLAINED Job ${job.uuid}`,
      result: {
        uuid: job.uuid,
        ...explain({ job, since, now: new Date().toISOString(), seen, step, ahead }),
      },
    };
  },
});

/** Kilim's own: why a job waits, or how it ended. */
export const jobExplainRoutes: readonly Route[] = [explainJob];
