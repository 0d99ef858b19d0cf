import { KilimError } from '../domain/errors.js';
import { limitsOf } from '../domain/jobs/limits.js';
import type { Needs } from '../domain/jobs/ticket.js';
import type { Deps } from './deps.js';
import { makesThemAlong } from './make-directories.js';
import { inputsToStage } from './stage-inputs.js';

/**
 * Takes the job's places under the limits of system, queue and application (specification: jobs §7.4).
 * Safe to repeat: places are kept per job.
 * @throws KilimError QUOTA_EXCEEDED, SYSTEM_NOT_AVAILABLE, APPLICATION_NOT_AVAILABLE (recovered)
 */
export async function admitJob({ store }: Deps, uuid: string): Promise<Needs> {
  const plan = await store.jobs.getPlan(uuid);
  const system = await store.systems.find(plan.tenant, plan.exec.systemId);
  if (!system?.enabled || system.deleted) {
    throw new KilimError(
      'SYSTEM_NOT_AVAILABLE',
      `The execution system ${plan.exec.systemId} is not enabled.`,
      { systemId: plan.exec.systemId },
    );
  }
  const app = await store.apps.find(plan.tenant, plan.appId, plan.appVersion);
  if (!app?.enabled || !app.versionEnabled || app.deleted) {
    throw new KilimError(
      'APPLICATION_NOT_AVAILABLE',
      `The application ${plan.appId} ${plan.appVersion} is not enabled.`,
    );
  }
  const limits = limitsOf(plan, system, app);
  const full = limits.length === 0 ? null : await store.jobs.reserve(uuid, limits);
  if (full) throw new KilimError('QUOTA_EXCEEDED', full);
  return { inputs: inputsToStage(plan).length > 0, directories: !makesThemAlong(plan) };
}
