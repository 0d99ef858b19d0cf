import { KilimError } from '../../domain/errors.js';
import { shownPath } from '../../domain/files/odd-names.js';
import { filesResource } from '../../domain/files/path-rights.js';
import { normalizePath } from '../../domain/files/path.js';
import type { System } from '../../domain/systems/system.js';
import { parseBody } from '../../schemas/parse.js';
import { FilePermission } from '../../schemas/system.js';
import { systemFor } from '../authorize.js';
import type { ApiDeps } from '../deps.js';
import { below, targetOf } from '../file-target.js';
import { refuseMoreOf } from '../user-limits.js';
import { route, type Call, type Route } from '../route.js';
import { oneByOne } from '../slices.js';

async function owned(call: Call, { store }: ApiDeps): Promise<{ system: System; path: string }> {
  const { systemId, path } = targetOf(call, 'permissions');
  normalizePath(path);
  const system = await systemFor(store, call.caller, systemId, 'OWNER');
  return { system, path };
}

const grant = route({
  method: 'post',
  path: below('permissions'),
  handle: async (call, deps) => {
    const { username, permission } = parseBody(FilePermission, call.body);
    const { system, path } = await owned(call, deps);
    const { tenant, user } = call.caller;
    await refuseMoreOf('permissions', user, call.caller, deps);
    await deps.store.grants.grant(tenant, filesResource(system.id, path), username, [permission], user);
    return {
      says: `FAPI_PERM_GRANTED ${permission} on ${path} for ${username}`,
      result: { tenantId: tenant, username, systemId: system.id, path: shownPath(path), permission },
    };
  },
});

const show = route({
  method: 'get',
  path: below('permissions'),
  handle: async (call, { store }) => {
    const { systemId, path } = targetOf(call, 'permissions');
    const { tenant, user } = call.caller;
    const system = await store.systems.find(tenant, systemId);
    if (!system || system.deleted)
      throw new KilimError('SYSTEM_NOT_FOUND', `FILES_SYS_NOTFOUND The system ${systemId} was not found.`);
    const username = call.query['username'] ?? user;
    if (username !== user) await systemFor(store, call.caller, systemId, 'OWNER');
    const levels = await store.grants.levels(tenant, filesResource(systemId, path), username);
    const permission = ['MODIFY', 'READ'].find((level) => levels.includes(level)) ?? null;
    return {
      says: 'FAPI_PERM_FOUND',
      result: { tenantId: tenant, username, systemId, path: shownPath(path), permission },
    };
  },
});

const revoke = route({
  method: 'delete',
  path: below('permissions'),
  handle: async (call, deps) => {
    const { username } = call.query;
    if (!username) throw new KilimError('INVALID_REQUEST', 'username: is required');
    const { system, path } = await owned(call, deps);
    await deps.store.grants.revoke(call.caller.tenant, filesResource(system.id, path), username, [
      'READ',
      'MODIFY',
    ]);
    return { says: `FAPI_PERM_REVOKED ${path} from ${username}` };
  },
});

/** Grants on a path and everything below it (specification: platform §5.6). */
export const filePermissionRoutes: readonly Route[] = [grant, show, revoke];

/** The grants on a path and below, which ends, or moves to another name. */
export async function moveGrants(
  { grants }: ApiDeps['store'],
  { tenant, id }: System,
  path: string,
  newPath: string | null,
): Promise<void> {
  const from = filesResource(id, path);
  for await (const { resource, user, level, grantor } of oneByOne(await grants.listByPrefix(tenant, from))) {
    if (resource !== from && !resource.startsWith(`${from}/`)) continue;
    await grants.revoke(tenant, resource, user, [level]);
    if (newPath !== null)
      await grants.grant(
        tenant,
        filesResource(id, newPath) + resource.slice(from.length),
        user,
        [level],
        grantor,
      );
  }
}
