import { randomUUID } from 'node:crypto';

import { KilimError } from '../domain/errors.js';
import { normalizePath, withoutEndSlashes } from '../domain/files/path.js';
import { isTrustedProfile } from '../domain/systems/profile-rules.js';
import {
  isDynamic,
  type Credential as Secret,
  type StoredCredential,
  type System,
} from '../domain/systems/system.js';
import { isLocal } from '../hosts/local.js';
import { addressesOf } from '../hosts/reach.js';
import { parseBody } from '../schemas/parse.js';
import { SystemDefinition } from '../schemas/system.js';
import { now } from '../store/now.js';
import { systemFor } from './authorize.js';
import type { ApiDeps, Caller } from './deps.js';
import { countCredential } from './host-attempts.js';
import { callerIn, refuseThisMachine } from './this-machine.js';
import { refuseMoreOf } from './user-limits.js';

const RESERVED =
  /^(healthcheck|readycheck|search|schedulerprofile|share|unshare|share_public|unshare_public|perms|credential|match)$/i;

/** Registers a system; the seed uses the same door. */
export async function registerSystem(
  body: unknown,
  caller: Caller,
  deps: ApiDeps,
  skipCheck: boolean,
): Promise<System> {
  const { authnCredential, owner: asked, ...given } = parseBody(SystemDefinition, body);
  if (RESERVED.test(given.id))
    throw new KilimError('CONFLICT', `SYSAPI_CREATE_RESERVED The id ${given.id} is reserved.`);
  if (await deps.store.systems.find(caller.tenant, given.id))
    throw new KilimError('CONFLICT', `SYSAPI_SYS_EXISTS The system ${given.id} exists.`);
  const owner = !asked || asked === '${apiUserId}' ? caller.user : asked;
  if (owner !== caller.user && !caller.isAdmin)
    throw new KilimError('NOT_AUTHORIZED', `${caller.user} may not create a system for ${owner}.`);
  await refuseMoreOf('systems', owner, caller, deps);
  const names: Record<string, string> = { apiUserId: caller.user, owner, tenant: caller.tenant };
  const fill = (text: string): string =>
    text.replace(/\$\{(apiUserId|owner|tenant)\}/g, (_all, name: string) => names[name] ?? '');
  const at = now();
  const system: System = {
    ...given,
    tenant: caller.tenant,
    uuid: randomUUID(),
    owner,
    effectiveUserId: given.effectiveUserId === '${owner}' ? owner : given.effectiveUserId,
    rootDir: given.rootDir.startsWith('/') ? `/${normalizePath(fill(given.rootDir))}` : fill(given.rootDir),
    jobWorkingDir: given.jobWorkingDir === null ? null : fill(given.jobWorkingDir),
    parentId: null,
    importRefId: null,
    deleted: false,
    created: at,
    updated: at,
    hostKey: null,
  };
  await checkMeaning(system, caller, deps);
  if (authnCredential) await countCredential(deps, caller);
  if (authnCredential && !skipCheck)
    await checkCredential(deps, system, system.effectiveUserId, authnCredential, caller.user);
  await deps.store.systems.add(system);
  if (authnCredential)
    await deps.store.systems.setCredential(caller.tenant, system.id, 'static', system.effectiveUserId, {
      ...authnCredential,
      givenFor: addressOf(system),
    });
  return system;
}

/** A changed definition as a whole: schema, meaning, then the row. */
export async function replaceSystem(
  older: System,
  wanted: Record<string, unknown>,
  caller: Caller,
  deps: ApiDeps,
): Promise<System> {
  const { authnCredential, owner, ...given } = parseBody(SystemDefinition, wanted);
  void [authnCredential, owner];
  const { tenant, uuid, parentId, importRefId, deleted, created } = older;
  const moved = given.host !== older.host || given.port !== older.port;
  const system: System = {
    ...given, tenant, uuid, owner: older.owner, parentId, importRefId, deleted, created, updated: now(),
    hostKey: moved ? null : older.hostKey, // another address has another key
  }; // prettier-ignore
  await checkMeaning(system, caller, deps);
  return deps.store.systems.replace(system);
}

/** What the schema cannot know. @throws KilimError INVALID_REQUEST with all faults, NOT_AUTHORIZED */
async function checkMeaning(system: System, caller: Caller, deps: ApiDeps): Promise<void> {
  const { store, config } = deps;
  const faults: string[] = [];
  faults.push(...(await faultsOfProfile(system, store)));
  if (system.dtnSystemId) {
    const dtn = await systemFor(store, caller, system.dtnSystemId, 'READ').catch(() => null);
    if (dtn?.rootDir !== system.rootDir)
      faults.push(
        `dtnSystemId: "${system.dtnSystemId}" must be a system that you can read, with the same rootDir`,
      );
  }
  await refuseThisMachine(deps, system, callerIn(caller));
  faults.push(...(await faultsOfHost(system, config)));
  if (isLocal(system, { isEnabled: config.KILIM_LOCAL_EXECUTION })) {
    if (process.getuid?.() !== 0 && reaches(system.rootDir, config.KILIM_HOME)) {
      faults.push(`rootDir: "${system.rootDir}" would show the folder of this service itself`);
    }
  }
  if (faults.length > 0) throw new KilimError('INVALID_REQUEST', faults.join('\n'));
}

/** All jobs on a system use its profile, so the profile must belong to an administrator or to the owner of the system. */
async function faultsOfProfile(system: System, { profiles, users }: ApiDeps['store']): Promise<string[]> {
  const { tenant, batchSchedulerProfile: name } = system;
  if (!name) return [];
  const profile = await profiles.find(tenant, name);
  if (!profile) return [`batchSchedulerProfile: "${name}" is not known`];
  return isTrustedProfile(profile, await users.isAdmin(tenant, profile.owner), system)
    ? []
    : [
        `batchSchedulerProfile: "${name}" is a profile of ${profile.owner}; it must be of an administrator or of the owner of the system`,
      ];
}

/** Refuses a host outside KILIM_ALLOWED_HOSTS when the system is defined, not only at the first connection. */
async function faultsOfHost(
  { systemType, host }: System,
  { KILIM_ALLOWED_HOSTS: allowed }: ApiDeps['config'],
): Promise<string[]> {
  if (systemType !== 'LINUX' || !allowed) return [];
  const fault = await addressesOf(host, host, { allowed, isTold: true }).catch((error: unknown) => error);
  return fault instanceof KilimError ? [`host: ${fault.message}`] : [];
}

const reaches = (rootDir: string, home: string): boolean => {
  const [root, own] = [`${withoutEndSlashes(rootDir)}/`, `${withoutEndSlashes(home)}/`];
  return own.startsWith(root) || root.startsWith(`${own}keys/`);
};

/** Really connects. @throws KilimError CREDENTIAL_CHECK_FAILED with the host's own words */
export async function checkCredential(
  deps: ApiDeps,
  system: System,
  loginUser: string,
  secret: Secret,
  asUser: string,
): Promise<void> {
  if (deps.config.KILIM_SKIP_CREDENTIAL_CHECK || system.systemType !== 'LINUX') return;
  try {
    await deps.hosts.check(
      { tenant: system.tenant, systemId: system.id, host: system.host, port: system.port, loginUser, asUser },
      secret,
    );
  } catch (error) {
    if (error instanceof KilimError)
      throw new KilimError(
        'CREDENTIAL_CHECK_FAILED',
        `SYSAPI_CRED_VALID_FAIL The credential of ${loginUser} was tried on ${system.host}: ${error.message}`,
      );
    throw error;
  }
}

/** The credential of a user (dynamic) or host account (static); tried first, stored only when it works. */
export async function setCredential(
  deps: ApiDeps,
  system: System,
  userName: string,
  secret: Secret,
  skipCheck: boolean,
): Promise<void> {
  const dynamic = isDynamic(system);
  if (!dynamic && secret.loginUser)
    throw new KilimError(
      'INVALID_REQUEST',
      'loginUser: is only possible for a system with a dynamic effectiveUserId',
    );
  if (!Object.entries(secret).some(([, value]) => value))
    throw new KilimError('INVALID_REQUEST', 'body: gives no credential');
  const kind = dynamic ? 'dynamic' : 'static';
  // who brings another secret logs in under the name of before (platform §3.3)
  const older = await deps.store.systems.getCredential(system.tenant, system.id, kind, userName);
  const loginUser = secret.loginUser ?? older?.loginUser;
  if (!skipCheck) await checkCredential(deps, system, loginUser ?? userName, secret, userName);
  await deps.store.systems.setCredential(system.tenant, system.id, kind, userName, {
    ...secret,
    ...(loginUser ? { loginUser } : {}),
    givenFor: addressOf(system), // the address where it was tested, even if the system is moved at this moment
  });
}

const addressOf = ({ host, port }: System): StoredCredential['givenFor'] => ({ host, port });
