import { Context } from '@temporalio/activity';

import { KilimError, meaningOf, type ErrorCode, type RecoverySubject } from '../domain/errors.js';
import type { JobPlan, SystemUse } from '../domain/jobs/job-plan.js';
import { stateDir } from '../domain/jobs/ledger.js';
import { watchKey } from '../domain/jobs/remote.js';
import { recoveryDelay } from '../domain/jobs/waiting.js';
import { quote } from '../domain/shell.js';
import { admitJob } from './admit-job.js';
import type { Deps } from './deps.js';
import { openExecHost } from './exec-host.js';
import { notYet } from './not-yet.js';
import { systemOf } from './source-system.js';
import { submitJob } from './submit-job.js';
import { wayIn, wayOut } from './transfer-node.js';

/** What a job waits for. */
export interface BlockedBy {
  code: ErrorCode;
  /** How often the same step was blocked before. */
  round: number;
  /** Milliseconds since the epoch: since when, with the rounds before that brought no calm. */
  since: number;
  /** Where it failed; by default every host of the job is tested. */
  systemId?: string;
}

/**
 * Tests whether what blocked a job has passed; fails with NOT_YET (benign) until it has.
 * All jobs that wait for one host share one probe, whatever worker asks.
 * @throws KilimError RECOVERY_TIMEOUT
 */
export async function awaitRecovery(deps: Deps, uuid: string, cause: BlockedBy): Promise<void> {
  const subject = meaningOf(cause.code).recover ?? 'host';
  const { attempt } = Context.current().info;
  const delay = recoveryDelay(subject, attempt + cause.round);
  const plan = await deps.store.jobs.getPlan(uuid);
  // a scheduler has just been asked; what seemed to have passed and came again is not asked at once
  const isEarly = attempt === 1 && (subject === 'scheduler' || cause.round > 0);
  const still = isEarly
    ? 'it is looked at again soon'
    : await stillBlocked(deps, plan, subject, cause, delay);
  if (still === null) return;
  const waited = Math.max(0, Date.now() - cause.since);
  if (waited > deps.blockedLimitMs(subject)) {
    const minutes = Math.round(waited / 60_000);
    throw new KilimError('RECOVERY_TIMEOUT', `The job was BLOCKED for ${minutes} minutes. ${still}`);
  }
  // spread, so that the jobs of a host do not come back in one moment
  throw notYet(still, delay * (1 + Math.random() * 0.1));
}

async function stillBlocked(
  deps: Deps,
  plan: JobPlan,
  subject: RecoverySubject,
  { systemId }: BlockedBy,
  everyMs: number,
): Promise<string | null> {
  try {
    const places = await placesOf(deps, plan, systemId);
    switch (subject) {
      case 'host':
      case 'login':
      case 'hostKey':
        for (const { use } of places) {
          const said = await probe(deps, plan.tenant, use, everyMs);
          if (said !== null) return said;
        }
        // the host that answers now may be another one
        if (places.some(({ use }) => use === plan.exec))
          await openExecHost(deps, await deps.store.jobs.get(plan.uuid), { evenDisabled: true });
        return null;
      case 'disk':
        for (const { use, dir } of places) await writeSomething(deps, plan, use, dir);
        return null;
      case 'system':
        for (const { use } of places) await deps.openHost(plan.tenant, use);
        return null;
      case 'scheduler':
        // nothing else tells whether it takes the job; what it took is adopted. An order for what it has is given again
        if ((await deps.store.jobs.get(plan.uuid)).remoteJobId === null) await submitJob(deps, plan.uuid);
        return null;
      default:
        await admitJob(deps, plan.uuid);
        return null;
    }
  } catch (error) {
    if (error instanceof KilimError && meaningOf(error.code).recover) return error.message;
    throw error;
  }
}

interface Place {
  use: SystemUse;
  /** Where the job writes there. */
  dir: string;
}

/** The system that failed, else all that the job writes to. */
async function placesOf(deps: Deps, plan: JobPlan, systemId: string | undefined): Promise<Place[]> {
  const exec = { use: plan.exec, dir: plan.execSystemExecDir };
  if (systemId === undefined && plan.archive.systemId === plan.exec.systemId) return [exec];
  const both = [exec, { use: plan.archive, dir: plan.archiveSystemDir }];
  if (systemId === undefined) return both;
  const nodes = [wayIn(plan), wayOut(plan)].flatMap((way) => way ?? []);
  const known = [...both, ...nodes].find(({ use }) => use.systemId === systemId);
  if (known) return [known];
  const input = plan.inputs.find(({ sourceUrl }) => sourceUrl.startsWith(`tapis://${systemId}/`));
  return input ? [{ use: (await systemOf(deps, plan, input)).use, dir: '' }] : both;
}

async function probe(
  { store, probeHost }: Deps,
  tenant: string,
  use: SystemUse,
  everyMs: number,
): Promise<string | null> {
  const { host, port } = (await store.systems.find(tenant, use.systemId)) ?? use;
  // a system that was moved needs a probe of its own, and so does each system of one host
  const subject = `${watchKey(tenant, use)} at ${host}:${port}`;
  const last = await store.watch.claimProbe(subject, Math.max(1_000, everyMs * 0.8));
  if (!last.mine) return last.ok ? null : (last.said ?? 'the host is being looked at');
  try {
    await probeHost(tenant, use);
    await store.watch.saveProbe(subject, true, 'the host answers');
    return null;
  } catch (error) {
    const said = error instanceof Error ? error.message : String(error);
    await store.watch.saveProbe(subject, false, said);
    return said;
  }
}

/** A job's directory may lie on another file system than the home, where its run is told of; neither need be there yet. */
async function writeSomething(
  { openHost, installation }: Deps,
  plan: JobPlan,
  use: SystemUse,
  dir: string,
): Promise<void> {
  const host = await openHost(plan.tenant, use);
  const home = use.systemId === plan.exec.systemId ? [stateDir(installation)] : [];
  await host.run({
    line: [
      `for dir in ${[quote(`${use.rootDir}/${dir}`), ...home].join(' ')}; do`,
      'until [ -d "$dir" ]; do dir=${dir%/*}; [ -n "$dir" ] || continue 2; done',
      `file="$dir/.kilim-space-${plan.uuid}"`,
      'head -c 1048576 /dev/zero > "$file"; code=$?; rm -f "$file"; [ $code -eq 0 ] || exit $code',
      'done',
    ].join('\n'),
    parse: ({ exitCode, stderr }) => {
      if (exitCode !== 0) throw new KilimError('DISK_FULL', stderr.trim() || 'no space is left on the host');
    },
  });
}
