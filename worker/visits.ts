import { Context } from '@temporalio/activity';
import type { ActivityInboundCallsInterceptor } from '@temporalio/worker';

import type { Deps } from '../activities/deps.js';
import { notYet } from '../activities/not-yet.js';
import { fairnessKey } from '../domain/jobs/labels.js';
import { runErrand, type Errand } from '../hosts/asked-for.js';
import type { Ask, Places } from './places.js';

/** A running activity and its place, which it takes when it first opens a host and gives back at its end. */
interface Visit {
  errand: Errand;
  place: Promise<() => void> | null;
}

const BEGINNINGS = ['makeDirectories', 'stageInputs', 'stageJob'];
const ORDERS = ['holdRemote', 'releaseRemote', 'stopRemote'];
/** It serves all users of a host, and has seats of its own (activities/watch-host.ts). */
const SHARED = 'watchHost';

export interface Visits {
  openHost: Deps['openHost'];
  interceptor: () => ActivityInboundCallsInterceptor;
}

/**
 * Lets an activity use hosts only while there is a place for it, and tells the hosts for which user it asks. An activity
 * that gets no place fails with NOT_YET before it has done anything at a host, and Temporal tries it again later.
 */
export function createVisits({ openHost, store }: Pick<Deps, 'openHost' | 'store'>, places: Places): Visits {
  const visits = new WeakMap<Context, Visit>();

  async function takePlace(
    { info }: Context,
    errand: Errand,
    use: { host: string; port: number },
  ): Promise<() => void> {
    const { activityType, workflowExecution } = info;
    const uuid = workflowExecution?.workflowId ?? '';
    errand.user = fairnessKey(await store.jobs.getPlan(uuid));
    const where = `${use.host}:${use.port}`;
    const id = `${uuid} ${activityType}`;
    const taken = places.take({ id, where, user: errand.user, kind: kindOf(activityType) });
    if ('againMs' in taken)
      throw notYet(`Many jobs use ${use.host} now; this one asks again when its turn comes.`, taken.againMs);
    return taken;
  }

  return {
    async openHost(tenant, use, options) {
      const context = Context.current();
      const visit = visits.get(context);
      // all hosts of one step are opened under one place: a transfer must not be given up half done for want of a second
      if (visit) await (visit.place ??= takePlace(context, visit.errand, use));
      return openHost(tenant, use, options);
    },
    interceptor: () => ({
      async execute(input, next) {
        const context = Context.current();
        const visit: Visit = { errand: { user: '' }, place: null };
        if (context.info.activityType !== SHARED) visits.set(context, visit);
        try {
          return await runErrand(visit.errand, () => next(input));
        } finally {
          const leave = await visit.place?.catch(() => undefined);
          leave?.();
        }
      },
    }),
  };
}

const kindOf = (activityType: string): Ask['kind'] =>
  ORDERS.includes(activityType) ? 'order' : BEGINNINGS.includes(activityType) ? 'begins' : 'goes on';
