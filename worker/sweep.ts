import type { Deps } from '../activities/deps.js';
import type { Job } from '../domain/jobs/job.js';
import { tagOf } from '../domain/jobs/ledger.js';
import { watchKey } from '../domain/jobs/remote.js';
import { isTerminal } from '../domain/jobs/status.js';
import type { Host } from '../hosts/host.js';
import { endTagged, listTags, type Tag, type Tagged } from '../schedulers/orphans.js';

/** Hosts without a job for longer are not looked at; for as long after a restore, all hosts that ever had a job are. */
const HOSTS_MS = 7 * 24 * 3_600_000;
const EVER_MS = 100 * 365 * 24 * 3_600_000;
/** Tags can be made up by whatever runs on a host, so each look asks the store about this many jobs at most … */
const MOST_ASKED = 1_000;
/** … and writes down this many that the store does not know. */
const MOST_UNKNOWN = 200;
/** Tags of other installations that a worker reports in its lifetime. */
const MOST_TOLD = 10_000;

type SweepDeps = Pick<Deps, 'store' | 'openHost' | 'installation' | 'log'>;

/** What was seen at earlier looks of this worker; a new worker's patience begins anew. */
interface Memory {
  /** Milliseconds of `performance.now()` when something of a job that is over was first seen, by system, login and job. */
  firstSeen: Map<string, number>;
  /** Tags of other installations that were reported. */
  told: Set<string>;
}

/**
 * Ends what runs on hosts with the tag of this installation although its job is over: a clean-up may have been given up, or
 * an application may have left something behind. Nothing is ended at the first look, nor before `patienceMs`. A job whose
 * row is live is left alone, whatever Temporal says, since its workflow is started again. What other installations run is
 * reported once.
 * A job without a row may have been submitted after the backup that was restored, and its work may be wanted: it is written
 * down and reported, and ended only when an operator says so (`kilim orphans`), whether or not a restore was marked.
 * Several workers may sweep at once: each looks by itself, and ending something twice does no harm.
 */
export function createSweeper(deps: SweepDeps, patienceMs: number): () => Promise<void> {
  const memory: Memory = { firstSeen: new Map(), told: new Set() };
  let isSweeping = false;
  const sweep = async (): Promise<void> => {
    for (const job of await deps.store.watch.newestJobs(await reach(deps.store))) {
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

async function reach({ orphans }: Deps['store']): Promise<number> {
  const restored = await orphans.restoredAt();
  return restored !== null && Date.now() - Date.parse(restored) < HOSTS_MS ? EVER_MS : HOSTS_MS;
}

const keyOf = ({ tenant, plan: { exec } }: Job): string => watchKey(tenant, exec);

/**
 * Needs one remote command, and one more for each orphan. `sample` is any job that the host had: it says how to log in. Of
 * the jobs with a row, only those are swept that this system launched on this very host: about others the host may not be
 * believed, and jobs of another system are swept through that system.
 */
async function sweepHost(deps: SweepDeps, memory: Memory, sample: Job, patienceMs: number): Promise<void> {
  const { store, log, openHost, installation } = deps;
  const host = await openHost(sample.tenant, sample.plan.exec);
  const key = keyOf(sample);
  const identity = await host.identity();
  const tags = await host.run(listTags(sample.plan));
  const place = `${key} `;
  const live = new Set((await store.watch.liveJobs(key)).map(({ uuid }) => uuid));
  const over = new Set<string>();
  const unknown: Tagged[] = [];
  for (const tag of tags) if (tag.installation !== installation) tellOnce(deps, memory, host.name, tag);
  const asked = tags.filter((tag) => tag.installation === installation && !live.has(tag.uuid));
  for (const tag of asked.slice(0, MOST_ASKED)) {
    const job = await store.jobs.find(tag.uuid);
    if (job === null) unknown.push(tag);
    else if (isOver(job, { key, identity })) over.add(tag.uuid);
  }
  await keepUnknown(deps, host, sample, unknown.slice(0, MOST_UNKNOWN));
  for (const seen of memory.firstSeen.keys())
    if (seen.startsWith(place) && !over.has(seen.slice(place.length))) memory.firstSeen.delete(seen);
  for (const uuid of over) {
    const first = memory.firstSeen.get(place + uuid);
    if (first === undefined) memory.firstSeen.set(place + uuid, performance.now());
    else if (performance.now() - first >= patienceMs) {
      const { left } = await host.run(endTagged(sample.plan, { installation, uuid }));
      const rest = left.length === 0 ? '' : `; still there: ${left.join(', ')}`;
      log.warn({ uuid, host: host.name, left }, 'something of a job that is over still ran, and was ended');
      await store.jobs.addEvent(uuid, 'JOB_ERROR_MESSAGE', 'ORPHAN_ENDED', {
        message: `After the end of the job something of it still ran on ${host.name} and was ended${rest}`,
      });
    }
  }
}

/** Handles what carries this installation's tag and has no row: reports it once, and ends it where an operator decided so. */
async function keepUnknown(deps: SweepDeps, host: Host, sample: Job, unknown: Tagged[]): Promise<void> {
  const { store, log, installation } = deps;
  const place = { watchKey: keyOf(sample), systemId: sample.plan.exec.systemId, host: host.name };
  const { fresh, toEnd } = await store.orphans.saveSeen(place, unknown);
  for (const { uuid, what } of unknown.filter((one) => fresh.includes(one.uuid)))
    log.warn(
      { jobUuid: uuid, host: host.name, what },
      'a job that the store does not know runs here; it is left alone until "kilim orphans adopt" or "kilim orphans end"',
    );
  for (const uuid of toEnd) {
    const { left } = await host.run(endTagged(sample.plan, { installation, uuid }));
    if (left.length === 0) await store.orphans.remove(place, uuid);
    log.warn(
      { jobUuid: uuid, host: host.name, left },
      'a job that the store does not know was ended, as decided',
    );
  }
}

/** A system is asked neither about jobs of another system nor about jobs that were launched on another host. */
const isOver = (job: Job, at: { key: string; identity: string }): boolean =>
  isTerminal(job.status) && keyOf(job) === at.key && (job.launchedOn ?? at.identity) === at.identity;

function tellOnce({ log }: SweepDeps, { told }: Memory, host: string, { installation, uuid }: Tag): void {
  const tag = tagOf(installation, uuid);
  if (told.has(tag) || told.size >= MOST_TOLD) return;
  told.add(tag);
  log.info({ host, tag }, 'a job of another installation runs here; it is left alone');
}
