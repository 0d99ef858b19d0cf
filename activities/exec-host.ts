import { KilimError } from '../domain/errors.js';
import type { Job } from '../domain/jobs/job.js';
import type { Host } from '../hosts/host.js';
import type { Deps } from './deps.js';

type Launched = Pick<Job, 'uuid' | 'tenant' | 'plan' | 'remoteJobId' | 'launchedOn'>;

/**
 * Logs in to the execution system of a job. Once the job is launched, only the host that it was launched on is asked about it
 * and given orders for it: the system may have been moved since, by mistake or in order to end other users' jobs.
 * @throws KilimError HOST_KEY_CHANGED where another host answers (recovered), and what `openHost` throws
 */
export async function openExecHost(
  { openHost, store }: Pick<Deps, 'openHost' | 'store'>,
  job: Launched,
  options?: { evenDisabled?: boolean },
): Promise<Host> {
  const host = await openHost(job.tenant, job.plan.exec, options);
  if (job.launchedOn !== null) await refuseOther(host, job.plan.exec.systemId, job.launchedOn);
  // launched by an older version, which did not record the host
  else if (job.remoteJobId !== null) await bindTo(store, host, job);
  return host;
}

/**
 * Records the host that a job is about to be launched on.
 * @throws KilimError HOST_KEY_CHANGED where an earlier try may have launched it on another one
 */
export async function bindTo(
  store: Deps['store'],
  host: Host,
  { uuid, plan }: Pick<Job, 'uuid' | 'plan'>,
): Promise<void> {
  await refuseOther(host, plan.exec.systemId, await store.jobs.bindToHost(uuid, await host.identity()));
}

async function refuseOther(host: Host, systemId: string, launchedOn: string): Promise<void> {
  const identity = await host.identity();
  if (identity === launchedOn) return;
  throw new KilimError(
    'HOST_KEY_CHANGED',
    `The job was launched on the host with the key ${launchedOn}. The system ${systemId} leads to ${host.name} with the key ${identity} now, and another host is not asked about the job.`,
    { systemId },
  );
}
