import { randomUUID } from 'node:crypto';

import { KilimError } from '../../domain/errors.js';
import { isDynamic, type Credential as Secret, type System } from '../../domain/systems/system.js';
import { Credential, Permissions, Profile } from '../../schemas/system.js';
import { parseBody } from '../../schemas/parse.js';
import { now } from '../../store/now.js';
import { systemFor } from '../authorize.js';
import type { ApiDeps, Caller } from '../deps.js';
import { flag } from '../paging.js';
import { route, type Route } from '../route.js';

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

export const permissionRoutes: readonly Route[] = [
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

export const credentialRoutes: readonly Route[] = [
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

export const profileRoutes: readonly Route[] = [
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
