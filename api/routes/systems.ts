import { randomUUID } from 'node:crypto';

import { KilimError } from '../../domain/errors.js';
import { normalizePath } from '../../domain/files/path.js';
import { isDynamic, type Credential as Secret, type System } from '../../domain/systems/system.js';
import { Credential, Permissions, Profile, SystemDefinition } from '../../schemas/system.js';
import { parseBody } from '../../schemas/parse.js';
import { now } from '../../store/now.js';
import { loginUserOf, systemFor } from '../authorize.js';
import type { ApiDeps, Caller } from '../deps.js';
import { flag, listMetadata, pagingOf, selected } from '../paging.js';
import { route, type Route } from '../route.js';
import { systemRecord } from '../wire.js';

const RESERVED =
  /^(healthcheck|readycheck|search|schedulerprofile|share|unshare|share_public|unshare_public|perms|credential|match)$/i;
const SUMMARY = [
  'id',
  'systemType',
  'owner',
  'host',
  'effectiveUserId',
  'defaultAuthnMethod',
  'canExec',
  'parentId',
];

/** Registers a system; the seed uses the same door. */
export async function createSystem(
  body: unknown,
  caller: Caller,
  deps: ApiDeps,
  skipCheck: boolean,
): Promise<System> {
  const { authnCredential, ...given } = parseBody(SystemDefinition, body);
  if (RESERVED.test(given.id)) throw new KilimError('CONFLICT', `The id ${given.id} is reserved.`);
  const owner = !given.owner || given.owner === '${apiUserId}' ? caller.user : given.owner;
  if (owner !== caller.user && !caller.isAdmin)
    throw new KilimError('NOT_AUTHORIZED', `${caller.user} may not create a system for ${owner}.`);
  const names: Record<string, string> = {
    '${apiUserId}': caller.user,
    '${owner}': owner,
    '${tenant}': caller.tenant,
  };
  const fill = (text: string): string =>
    text.replace(/\$\{(apiUserId|owner|tenant)\}/g, (macro) => names[macro] ?? macro);
  const at = now();
  const system: System = {
    ...pick(given),
    tenant: caller.tenant,
    uuid: randomUUID(),
    owner,
    effectiveUserId: given.effectiveUserId === '${owner}' ? owner : given.effectiveUserId,
    rootDir: given.rootDir.startsWith('/') ? `/${normalizePath(fill(given.rootDir))}` : given.rootDir,
    jobWorkingDir: given.jobWorkingDir === null ? null : fill(given.jobWorkingDir),
    batchDefaultLogicalQueue: given.batchDefaultLogicalQueue ?? given.batchLogicalQueues[0]?.name ?? null,
    parentId: null,
    importRefId: null,
    deleted: false,
    created: at,
    updated: at,
    hostKey: null,
  };
  if (authnCredential && !skipCheck)
    await checkCredential(deps, system, system.effectiveUserId, authnCredential, caller.user);
  await deps.store.systems.add(system);
  if (authnCredential)
    await deps.store.systems.setCredential(
      caller.tenant,
      system.id,
      'static',
      system.effectiveUserId,
      authnCredential,
    );
  return system;
}

const pick = ({ owner, ...given }: Omit<SystemDefinition, 'authnCredential'>) => {
  void owner;
  return given as unknown as Omit<System, 'owner'>;
};

/** Really connects. @throws KilimError CREDENTIAL_CHECK_FAILED with the host's own words */
async function checkCredential(
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
        `The credential was tried and not stored: ${error.message}`,
      );
    throw error;
  }
}

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
  if (!skipCheck)
    await checkCredential(
      deps,
      system,
      dynamic ? (secret.loginUser ?? userName) : userName,
      secret,
      userName,
    );
  await deps.store.systems.setCredential(
    system.tenant,
    system.id,
    dynamic ? 'dynamic' : 'static',
    userName,
    secret,
  );
}

/** Owner and admin for all; others for themselves where they may read (platform §3.8). */
async function credentialTarget(deps: ApiDeps, caller: Caller, id: string, user: string): Promise<System> {
  const system = await systemFor(deps.store, caller, id, 'READ');
  if (caller.isAdmin || system.owner === caller.user || caller.user === user) return system;
  throw new KilimError('NOT_AUTHORIZED', `${caller.user} may not change credentials of ${user} on ${id}.`);
}

const addSystem = route({
  method: 'post',
  path: '/v3/systems',
  handle: async ({ base, body, caller, query }, deps) => {
    const system = await createSystem(
      body,
      caller,
      deps,
      flag('skipCredentialCheck', query['skipCredentialCheck']),
    );
    return {
      status: 201,
      says: `SYSAPI_CREATED System created. System: ${system.id}`,
      result: { url: `${base}/v3/systems/${system.id}` },
    };
  },
});

const getSystem = route({
  method: 'get',
  path: '/v3/systems/:id',
  handle: async ({ caller, params, query }, { store }) => {
    const system = await systemFor(
      store,
      caller,
      params['id'] ?? '',
      flag('requireExecPerm', query['requireExecPerm']) ? 'EXECUTE' : 'READ',
    );
    const record = systemRecord(system, await loginUserOf(store, system, caller.user));
    return {
      says: `TAPIS_FOUND System found: ${system.id}`,
      result: selected(record, query['select'] ?? 'allAttributes', SUMMARY),
    };
  },
});

const listSystems = route({
  method: 'get',
  path: '/v3/systems',
  handle: async (call, { store }) => {
    const { caller, query } = call;
    const paging = pagingOf(call);
    const isAll = /^all$/i.test(query['listType'] ?? 'OWNED');
    const mine: System[] = [];
    for (const system of await store.systems.list(caller.tenant)) {
      if (system.deleted && !flag('showDeleted', query['showDeleted'])) continue;
      if (
        system.owner === caller.user ||
        (isAll &&
          (await store.grants.levels(caller.tenant, `system:${system.id}`, caller.user)).includes('READ'))
      )
        mine.push(system);
    }
    const page = mine.slice(paging.skip, paging.limit < 0 ? undefined : paging.skip + paging.limit);
    const result = await Promise.all(
      page.map(async (system) =>
        selected(
          systemRecord(system, await loginUserOf(store, system, caller.user)),
          query['select'],
          SUMMARY,
        ),
      ),
    );
    return {
      says: `TAPIS_FOUND Systems found: ${result.length}`,
      result,
      metadata: listMetadata(call, paging, result.length, mine.length),
    };
  },
});

const setEnabled = (action: 'enable' | 'disable'): Route =>
  route({
    method: 'post',
    path: `/v3/systems/:id/${action}`,
    handle: async ({ caller, params }, { store }) => {
      const system = await systemFor(store, caller, params['id'] ?? '', 'OWNER');
      const changes = system.enabled === (action === 'enable') ? 0 : 1;
      if (changes) await store.systems.replace({ ...system, enabled: action === 'enable', updated: now() });
      return { says: `SYSAPI_UPDATED System ${action}d: ${system.id}`, result: { changes } };
    },
  });

const acceptHostKey = route({
  method: 'post',
  path: '/v3/systems/:id/hostKey',
  handle: async ({ caller, params }, { store }) => {
    const system = await systemFor(store, caller, params['id'] ?? '', 'OWNER');
    await store.systems.pinHostKey(caller.tenant, system.id, null);
    return {
      says: `SYSAPI_UPDATED The next host key of ${system.id} will be pinned.`,
      result: { changes: system.hostKey === null ? 0 : 1 },
    };
  },
});

const permissionRoutes: readonly Route[] = [
  route({
    method: 'post',
    path: '/v3/systems/perms/:id/user/:user',
    handle: async ({ body, caller, params }, { store }) => {
      const system = await systemFor(store, caller, params['id'] ?? '', 'OWNER');
      const { permissions } = parseBody(Permissions, body);
      const levels = permissions.includes('MODIFY') ? [...new Set([...permissions, 'READ'])] : permissions;
      await store.grants.grant(
        caller.tenant,
        `system:${system.id}`,
        params['user'] ?? '',
        levels,
        caller.user,
      );
      return {
        status: 201,
        says: `SYSAPI_PERMS_GRANTED ${levels.join(',')} on ${system.id} for ${params['user'] ?? ''}`,
      };
    },
  }),
  route({
    method: 'get',
    path: '/v3/systems/perms/:id/user/:user',
    handle: async ({ caller, params }, { store }) => {
      const system = await systemFor(store, caller, params['id'] ?? '', 'READ');
      const names =
        system.owner === params['user']
          ? ['READ', 'MODIFY', 'EXECUTE']
          : await store.grants.levels(caller.tenant, `system:${system.id}`, params['user'] ?? '');
      return { says: `TAPIS_FOUND Permissions on ${system.id}`, result: { names } };
    },
  }),
  route({
    method: 'post',
    path: '/v3/systems/perms/:id/user/:user/revoke',
    handle: async ({ body, caller, params }, { store }) => {
      const system = await systemFor(store, caller, params['id'] ?? '', 'OWNER');
      const { permissions } = parseBody(Permissions, body);
      const levels = permissions.includes('READ') ? [...new Set([...permissions, 'MODIFY'])] : permissions;
      await store.grants.revoke(caller.tenant, `system:${system.id}`, params['user'] ?? '', levels);
      return { status: 201, says: `SYSAPI_PERMS_REVOKED ${levels.join(',')} on ${system.id}` };
    },
  }),
];

const credentialRoutes: readonly Route[] = [
  route({
    method: 'post',
    path: '/v3/systems/credential/:id/user/:user',
    handle: async ({ body, caller, params, query }, deps) => {
      const user = params['user'] ?? '';
      const system = await credentialTarget(deps, caller, params['id'] ?? '', user);
      await setCredential(
        deps,
        system,
        user,
        parseBody(Credential, body),
        flag('skipCredentialCheck', query['skipCredentialCheck']),
      );
      return { status: 201, says: `SYSAPI_CRED_UPDATED Credential of ${user} on ${system.id} updated` };
    },
  }),
  route({
    method: 'delete',
    path: '/v3/systems/credential/:id/user/:user',
    handle: async ({ caller, params }, deps) => {
      const user = params['user'] ?? '';
      const system = await credentialTarget(deps, caller, params['id'] ?? '', user);
      await deps.store.systems.removeCredential(
        caller.tenant,
        system.id,
        isDynamic(system) ? 'dynamic' : 'static',
        user,
      );
      return { status: 201, says: `SYSAPI_CRED_DELETED Credential of ${user} on ${system.id} deleted` };
    },
  }),
];

const profileRoutes: readonly Route[] = [
  route({
    method: 'post',
    path: '/v3/systems/schedulerProfile',
    handle: async ({ base, body, caller }, { store }) => {
      const { name, description, moduleLoads, hiddenOptions } = parseBody(Profile, body);
      const at = now();
      await store.profiles.add({
        tenant: caller.tenant,
        name,
        uuid: randomUUID(),
        description,
        owner: caller.user,
        moduleLoads,
        hiddenOptions,
        created: at,
        updated: at,
      });
      return {
        status: 201,
        says: `SYSAPI_PRF_CREATED Profile created: ${name}`,
        result: { url: `${base}/v3/systems/schedulerProfile/${name}` },
      };
    },
  }),
  route({
    method: 'get',
    path: '/v3/systems/schedulerProfile',
    handle: async ({ caller }, { store }) => ({
      says: 'TAPIS_FOUND Profiles found',
      result: await store.profiles.list(caller.tenant),
    }),
  }),
  route({
    method: 'get',
    path: '/v3/systems/schedulerProfile/:name',
    handle: async ({ caller, params }, { store }) => {
      const profile = await store.profiles.find(caller.tenant, params['name'] ?? '');
      if (!profile)
        throw new KilimError(
          'PROFILE_NOT_FOUND',
          `The scheduler profile ${params['name'] ?? ''} was not found.`,
        );
      return { says: `TAPIS_FOUND Profile found: ${profile.name}`, result: profile };
    },
  }),
];

/** Systems (specification: platform §3). */
export const systemRoutes: readonly Route[] = [
  addSystem, listSystems, ...profileRoutes, ...permissionRoutes, ...credentialRoutes, setEnabled('enable'), setEnabled('disable'), acceptHostKey, getSystem,
]; // prettier-ignore
