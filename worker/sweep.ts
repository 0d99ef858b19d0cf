import type { Deps } from '../activities/deps.js';
import type { Job } from '../domain/jobs/job.js';
import { tagOf } from '../domain/jobs/ledger.js';
import { watchKey } from '../domain/jobs/remote.js';
import { isTerminal } from '../domain/jobs/status.js';
import { endTagged, listTags, type Tag } from '../schedulers/orphans.js';

/** Hosts without a job for longer are not asked any more. */
const HOSTS_MS = 7 * 24 * 3_600_000;

type SweepDeps = Pick<Deps, 'store' | 'openHost' | 'installation' | 'log'>;

/** What was seen at earlier looks of this worker; a new worker's patience begins anew. */
interface Memory {
  /** When an orphan was seen first, by system, login and job. */
  firstSeen: Map<string, number>;
  /** Tags of other installations that were told of. */
  told: Set<string>;
}

/**
 * Ends what runs on hosts with our tag though its job is over, or unknown: after a lost database, a clean-up that was
 * given up, an application that left something behind. Nothing is ended at its first look, nor before `patienceMs`; a
 * live row protects, whatever Temporal says, since its workflow is started again. What other installations run is told once.
 * Several workers do no harm: each looks by itself, and ending is repeatable.
 */
export function createSweeper(deps: SweepDeps, patienceMs: number): () => Promise<void> {
  const memory: Memory = { firstSeen: new Map(), told: new Set() };
  let isSweeping = false;
  const sweep = async (): Promise<void> => {
    for (const job of await deps.store.watch.newestJobs(HOSTS_MS)) {
      const host = keyOf(job);
      await sweepHost(deps, memory, job, patienceMs).catch((error: unknown) =>
        deps.log.warn({ host, err: error }, 'a host could not be swept'),
      );
    }
  };
  return async () => {
    if (isSweeping) return; // a host hangs
    isSweeping = true;
    await sweep()
      .catch((error: unknown) => deps.log.warn({ err: error }, 'the sweeper will try again'))
      .finally(() => (isSweeping = false));
  };
}

const keyOf = ({ tenant, plan: { exec } }: Job): string => watchKey(tenant, exec);

/**
 * One remote command, and one more for each orphan. `sample` is any job that the host had: it says how to log in. Of the jobs with a
 * row only those are swept that this system launched on this very host: others are its tale, or another system's to sweep.
 */
async function sweepHost(deps: SweepDeps, memory: Memory, sample: Job, patienceMs: number): Promise<void> {
  const { store, log, openHost, installation } = deps;
  const host = await openHost(sample.tenant, sample.plan.exec);
  const key = keyOf(sample);
  const identity = await host.identity();
  const tags = await host.run(listTags(sample.plan));
  const place = `${key} `;
  const live = new Set((await store.watch.liveJobs(key)).map(({ uuid }) => uuid));
  const orphans = new Set<string>();
  for (const tag of tags) {
    if (tag.installation !== installation) tellOnce(deps, memory, host.name, tag);
    else if (!live.has(tag.uuid) && (await isOver(store, tag.uuid, { key, identity }))) orphans.add(tag.uuid);
  }
  for (const seen of memory.firstSeen.keys())
    if (seen.startsWith(place) && !orphans.has(seen.slice(place.length))) memory.firstSeen.delete(seen);
  for (const uuid of orphans) {
    const first = memory.firstSeen.get(place + uuid);
    if (first === undefined) memory.firstSeen.set(place + uuid, Date.now());
    else if (Date.now() - first >= patienceMs) {
      const { left } = await host.run(endTagged(sample.plan, { installation, uuid }));
      const rest = left.length === 0 ? '' : `; still there: ${left.join(', ')}`;
      log.warn({ uuid, host: host.name, left }, 'something of a job that is over still ran, and was ended');
      if ((await store.jobs.find(uuid)) !== null)
        await store.jobs.addEvent(uuid, 'JOB_ERROR_MESSAGE', 'ORPHAN_ENDED', {
          message: `After the end of the job something of it still ran on ${host.name} and was ended${rest}`,
        });
    }
  }
}

/** A job of which nothing is known here is over, too; one that is another system's is not for this one to judge. */
const isOver = async (
  store: Deps['store'],
  uuid: string,
  at: { key: string; identity: string },
): Promise<boolean> => {
  const job = await store.jobs.find(uuid);
  if (job === null) return true;
  return isTerminal(job.status) && keyOf(job) === at.key && (job.launchedOn ?? at.identity) === at.identity;
};

function tellOnce({ log }: SweepDeps, { told }: Memory, host: string, { installation, uuid }: Tag): void {
  const tag = tagOf(installation, uuid);
  if (told.has(tag)) return;
  told.add(tag);
  log.info({ host, tag }, 'a job of another installation runs here; it is left alone');
}
