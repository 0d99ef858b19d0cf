import { KilimError } from '../domain/errors.js';
import type { Needs } from '../domain/jobs/ticket.js';
import { UNLIMITED } from '../domain/systems/system.js';
import type { Deps } from './deps.js';
import { inputsToStage } from './stage-inputs.js';

/**
 * Takes the job's places under the limits of system and application (specification: jobs §7.4).
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
  const onSystem = `system ${plan.tenant}/${system.id}`;
  const ofApp = `application ${plan.tenant}/${app.id}`;
  const limits = [
    { key: onSystem, limit: system.jobMaxJobs },
    { key: `${onSystem} of ${plan.owner}`, limit: system.jobMaxJobsPerUser },
    { key: ofApp, limit: app.maxJobs },
    { key: `${ofApp} of ${plan.owner}`, limit: app.maxJobsPerUser },
  ].filter(({ limit }) => limit > 0 && limit < UNLIMITED);
  const full = limits.length === 0 ? null : await store.jobs.reserve(uuid, limits);
  if (full) throw new KilimError('QUOTA_EXCEEDED', full);
  return { inputs: inputsToStage(plan).length > 0 };
}
