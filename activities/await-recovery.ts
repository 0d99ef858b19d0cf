import { Context } from '@temporalio/activity';
import { ApplicationFailure, ApplicationFailureCategory } from '@temporalio/common';

import { KilimError, meaningOf, type ErrorCode, type RecoverySubject } from '../domain/errors.js';
import type { JobPlan, SystemUse } from '../domain/jobs/job-plan.js';
import { watchKey } from '../domain/jobs/remote.js';
import { recoveryDelay } from '../domain/jobs/waiting.js';
import { quote } from '../domain/shell.js';
import { admitJob } from './admit-job.js';
import type { Deps } from './deps.js';
import { submitJob } from './submit-job.js';

/**
 * Tests whether what blocked a job has passed; fails with NOT_YET (benign) until it has.
 * All jobs that wait for one host share one probe, whatever worker asks.
 */
export async function awaitRecovery(deps: Deps, uuid: string, code: ErrorCode): Promise<void> {
  const subject = meaningOf(code).recover ?? 'host';
  const { attempt } = Context.current().info;
  const delay = recoveryDelay(subject, attempt);
  const plan = await deps.store.jobs.getPlan(uuid);
  // it has just been asked
  const isEarly = subject === 'scheduler' && attempt === 1;
  const still = isEarly
    ? 'the scheduler is asked again soon'
    : await stillBlocked(deps, plan, subject, delay);
  if (still === null) return;
  throw ApplicationFailure.create({
    type: 'NOT_YET',
    message: still.slice(0, 1000),
    // spread, so that the jobs of a host do not come back in one moment
    nextRetryDelay: Math.round(delay * (1 + Math.random() * 0.1)),
    category: ApplicationFailureCategory.BENIGN,
  });
}

async function stillBlocked(
  deps: Deps,
  plan: JobPlan,
  subject: RecoverySubject,
  everyMs: number,
): Promise<string | null> {
  if (subject === 'host' || subject === 'login' || subject === 'hostKey') {
    const both = plan.archive.systemId === plan.exec.systemId ? [plan.exec] : [plan.exec, plan.archive];
    for (const use of both) {
      const said = await probe(deps, plan.tenant, use, everyMs);
      if (said !== null) return said;
    }
    return null;
  }
  try {
    if (subject === 'disk') await writeSomething(deps, plan);
    else if (subject === 'scheduler')
      await submitJob(deps, plan.uuid); // nothing else tells whether it takes the job; what it took is adopted
    else await admitJob(deps, plan.uuid);
    return null;
  } catch (error) {
    if (error instanceof KilimError && meaningOf(error.code).recover) return error.message;
    throw error;
  }
}

async function probe(
  { store, probeHost }: Deps,
  tenant: string,
  use: SystemUse,
  everyMs: number,
): Promise<string | null> {
  const subject = watchKey(tenant, use.host, use.port, use.loginUser);
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

async function writeSomething({ openHost }: Deps, plan: JobPlan): Promise<void> {
  const host = await openHost(plan.tenant, plan.exec);
  const file = quote(`${plan.paths.rootDir}/.kilim-space-${plan.uuid}`);
  await host.run({
    line: `head -c 1048576 /dev/zero > ${file}; code=$?; rm -f ${file}; exit $code`,
    parse: ({ exitCode, stderr }) => {
      if (exitCode !== 0) throw new KilimError('DISK_FULL', stderr.trim() || 'no space is left on the host');
    },
  });
}
