import type { Held } from '../schedulers/scheduler.js';
import type { Deps } from './deps.js';
import { openExecHost } from './exec-host.js';

/**
 * Stops the run without ending it (SIGSTOP, `docker pause`) and says what was done. Safe to repeat.
 * A host that cannot do it is no error: the answer says so, and Kilim's own steps are paused all the same.
 * @throws KilimError HOST_*, SCHEDULER_UNAVAILABLE (recovered): the order is given again
 */
export const holdRemote = (deps: Deps, uuid: string): Promise<Held> => ask(deps, uuid, 'hold');

/** Lets a held run go on. Safe to repeat. @throws KilimError as holdRemote */
export const releaseRemote = (deps: Deps, uuid: string): Promise<Held> => ask(deps, uuid, 'release');

async function ask(deps: Deps, uuid: string, what: 'hold' | 'release'): Promise<Held> {
  const { store, schedulers, installation } = deps;
  const job = await store.jobs.get(uuid);
  if (job.remoteJobId === null) return { done: false, said: 'nothing runs yet' };
  const host = await openExecHost(deps, job, { evenDisabled: true });
  return host.run(schedulers[job.plan.keeper][what](job.plan, job.remoteJobId, installation));
}
