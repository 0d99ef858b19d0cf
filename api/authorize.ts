import type { App } from '../domain/apps/app.js';
import { KilimError } from '../domain/errors.js';
import { fenceOf } from '../domain/files/path-rights.js';
import type { Job } from '../domain/jobs/job.js';
import { isDynamic, type System } from '../domain/systems/system.js';
import type { Store } from '../store/store.js';
import type { Caller } from './deps.js';

type Level = 'READ' | 'MODIFY' | 'EXECUTE';

const lacks = ({ user }: Caller, level: Level | 'OWNER'): string =>
  level === 'OWNER' ? `${user} does not own` : `${user} may not ${level}`;

/** A system of the caller's tenant that is not deleted. @throws KilimError SYSTEM_NOT_FOUND, then NOT_AUTHORIZED (platform §3.8) */
export async function systemFor(
  store: Store,
  caller: Caller,
  id: string,
  level: Level | 'OWNER',
): Promise<System> {
  const system = await deletedSystemFor(store, caller, id, level);
  if (system.deleted) throw systemMissing(caller, id);
  return system;
}

/** The same, also when it is marked deleted: for those who delete and bring back. */
export async function deletedSystemFor(
  store: Store,
  caller: Caller,
  id: string,
  level: Level | 'OWNER',
): Promise<System> {
  const system = await store.systems.find(caller.tenant, id);
  if (!system) throw systemMissing(caller, id);
  if (!(await isAllowed(store, caller, system.owner, `system:${id}`, level))) {
    // who may not see a deleted one is not told that it was there
    throw system.deleted
      ? systemMissing(caller, id)
      : new KilimError('NOT_AUTHORIZED', `SYSLIB_UNAUTH ${lacks(caller, level)} the system ${id}.`);
  }
  return system;
}

const systemMissing = ({ tenant, user }: Caller, id: string): KilimError =>
  new KilimError('SYSTEM_NOT_FOUND', `System not found. System: ${id} jwtTenant: ${tenant} jwtUser: ${user}`);

/** An application version of the caller's tenant; without one, the version created last. @throws KilimError APP_NOT_FOUND, then NOT_AUTHORIZED */
export async function appFor(
  store: Store,
  caller: Caller,
  id: string,
  version: string | null,
  level: Level | 'OWNER',
): Promise<App> {
  const app = await deletedAppFor(store, caller, id, version, level);
  if (app.deleted) throw appMissing(caller, id, version);
  return app;
}

/** The same, also when it is marked deleted. */
export async function deletedAppFor(
  store: Store,
  caller: Caller,
  id: string,
  version: string | null,
  level: Level | 'OWNER',
): Promise<App> {
  const app =
    version === null
      ? await store.apps.findLatest(caller.tenant, id)
      : await store.apps.find(caller.tenant, id, version);
  if (!app) throw appMissing(caller, id, version);
  if (!(await isAllowed(store, caller, app.owner, `app:${id}`, level))) {
    throw app.deleted
      ? appMissing(caller, id, version)
      : new KilimError('NOT_AUTHORIZED', `APPLIB_UNAUTH ${lacks(caller, level)} the application ${id}.`);
  }
  return app;
}

const appMissing = ({ user }: Caller, id: string, version: string | null): KilimError =>
  new KilimError(
    'APP_NOT_FOUND',
    `Application not found. App: ${id} Version: ${version ?? 'any'} jwtUser: ${user}`,
  );

async function isAllowed(
  store: Store,
  caller: Caller,
  owner: string,
  resource: string,
  level: Level | 'OWNER',
): Promise<boolean> {
  if (caller.isAdmin || owner === caller.user) return true;
  if (level === 'OWNER') return false;
  const held = await store.grants.levels(caller.tenant, resource, caller.user);
  return held.includes(level) || (level === 'READ' && held.includes('MODIFY'));
}

/** @throws KilimError SYSTEM_NOT_FOUND also where it is deleted or disabled (platform §5.8) */
async function usableSystem(store: Store, { tenant }: Caller, id: string): Promise<System> {
  const system = await store.systems.find(tenant, id);
  if (!system || system.deleted || !system.enabled)
    throw new KilimError('SYSTEM_NOT_FOUND', `The system ${id} was not found or is not enabled.`);
  return system;
}

/**
 * May the caller use a path of the system? (platform §5.8) `fence` is the path that was granted to him and that no link may
 * lead out of: all of the system for its owner.
 * @throws KilimError SYSTEM_NOT_FOUND, NOT_AUTHORIZED
 */
export async function pathFor(
  store: Store,
  caller: Caller,
  systemId: string,
  path: string,
  level: 'READ' | 'MODIFY',
): Promise<{ system: System; fence: string }> {
  const system = await usableSystem(store, caller, systemId);
  const fence = await fenceOf({ system, ...caller, path, level }, (resource) =>
    store.grants.levels(caller.tenant, resource, caller.user),
  );
  if (fence === null)
    throw new KilimError(
      'NOT_AUTHORIZED',
      `${caller.user} may not ${level} ${path} on the system ${systemId}.`,
    );
  return { system, fence };
}

/** @throws KilimError JOB_NOT_FOUND also for another tenant's, then JOB_NOT_AUTHORIZED (jobs §11.2) */
export async function jobFor(store: Store, caller: Caller, uuid: string): Promise<Job> {
  const job = await store.jobs.find(uuid);
  if (!job || job.tenant !== caller.tenant)
    throw new KilimError('JOB_NOT_FOUND', `Job ${uuid} was not found.`, { name: uuid });
  if (!caller.isAdmin && job.owner !== caller.user && job.plan.createdby !== caller.user) {
    throw new KilimError('JOB_NOT_AUTHORIZED', `${caller.user} may not see the job ${uuid}.`);
  }
  return job;
}

/** The same for routes that do not know hidden jobs (jobs §1.8, §1.10). */
export async function visibleJobFor(store: Store, caller: Caller, uuid: string): Promise<Job> {
  const job = await jobFor(store, caller, uuid);
  if (!job.visible) throw new KilimError('JOB_NOT_FOUND', `Job ${uuid} was not found.`, { name: uuid });
  return job;
}

/**
 * The system that holds a job's outputs, if the job's owner may still read them there. In a shared application context the
 * rights of the grantor count; on the execution system the right to run jobs is enough as well (specification: jobs §1.10,
 * §11.3; platform §5.8). This is checked at each read, because a right may have been revoked since the job ran. `fence` has
 * the same meaning as in `pathFor`.
 * @throws KilimError SYSTEM_NOT_FOUND, NOT_AUTHORIZED
 */
export async function outputsFor(
  store: Store,
  caller: Caller,
  { plan }: Job,
  { isArchived, base }: { isArchived: boolean; base: string },
): Promise<{ system: System; fence: string }> {
  const { tenant, sharedAppCtx, sharedAppCtxAttribs } = plan;
  const { systemId } = isArchived ? plan.archive : plan.exec;
  const shared = isArchived
    ? ['SAC_ARCHIVE_SYSTEM_ID', 'SAC_ARCHIVE_SYSTEM_DIR']
    : ['SAC_EXEC_SYSTEM_ID', 'SAC_EXEC_SYSTEM_OUTPUT_DIR'];
  const isGrantors = shared.every((one) => sharedAppCtxAttribs.includes(one));
  const user = (isGrantors ? sharedAppCtx : null) ?? plan.owner;
  const isAdmin = caller.isAdmin || (user === plan.owner && (await store.users.isAdmin(tenant, user)));
  const reader = { tenant, user, isAdmin };
  if (systemId === plan.exec.systemId) {
    const system = await usableSystem(store, reader, systemId);
    const mayRun = await isAllowed(store, reader, system.owner, `system:${systemId}`, 'EXECUTE');
    if (mayRun) return { system, fence: '' };
  }
  return pathFor(store, reader, systemId, base, 'READ');
}

/** The login name on a system for a Tapis user (platform §3.3). */
export async function loginUserOf(store: Store, system: System, user: string): Promise<string> {
  if (!isDynamic(system)) return system.effectiveUserId;
  return (await store.systems.getCredential(system.tenant, system.id, 'dynamic', user))?.loginUser ?? user;
}
