import { QUEUE_OF } from '../domain/jobs/keeper.js';
import { watchTicketOf, type Submitted } from '../domain/jobs/ticket.js';
import { runTogether } from '../hosts/run-together.js';
import type { Deps } from './deps.js';
import { bindTo } from './exec-host.js';

/**
 * Launches the job on its execution system and records the remote job id.
 * Safe to repeat: a launch that did reach the host is found by its ledger and adopted.
 * The host is recorded first, so that a launch without an answer is not looked for, or repeated, on another host.
 * @throws KilimError HOST_*, OUTCOME_UNKNOWN (recovered); LAUNCH_FAILED
 */
export async function submitJob(deps: Deps, uuid: string): Promise<Submitted> {
  const { store, openHost, schedulers, engine, installation, metrics } = deps;
  const plan = await store.jobs.getPlan(uuid);
  const host = await openHost(plan.tenant, plan.exec);
  await bindTo(store, host, { uuid, plan });
  await engine.ensureWatcher(watchTicketOf(plan.tenant, plan.exec));
  const { remoteJobId, adopted } = await runTogether(
    host,
    schedulers[plan.keeper].launch(plan, installation),
  );
  if (adopted) metrics.adopted();
  await store.jobs.setRemoteJobId(uuid, remoteJobId);
  return { remoteJobId, host: host.name, isQueued: QUEUE_OF[plan.keeper] !== null };
}
