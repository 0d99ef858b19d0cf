import { KilimError } from '../../domain/errors.js';
import { Permissions } from '../../schemas/system.js';
import { parseBody } from '../../schemas/parse.js';
import type { ApiDeps, Caller } from '../deps.js';
import { refuseMoreOf } from '../user-limits.js';
import { route, type Call, type Route } from '../route.js';
import { oneByOne } from '../slices.js';

const ALL = ['READ', 'MODIFY', 'EXECUTE'];

export interface Permitted {
  /** `systems` or `apps`. */
  service: string;
  /** `system` or `app`: the kind of the grants' resource. */
  kind: string;
  token: string;
  find: (
    store: ApiDeps['store'],
    caller: Caller,
    id: string,
    level: 'READ' | 'OWNER',
  ) => Promise<{ id: string; owner: string }>;
}

/** A user name of the path. */
export const userOf = ({ params }: Call): string => {
  const user = params['user'] ?? '';
  if (!/^[A-Za-z0-9_][A-Za-z0-9_.@-]{0,59}$/.test(user))
    throw new KilimError('INVALID_REQUEST', `userName: ${JSON.stringify(user.slice(0, 80))} is no user name`);
  return user;
};

/** Grant, ask and revoke: the same for systems and applications (specification: platform §3.5, §3.8, §6.1). */
export function permissionRoutes({ service, kind, token, find }: Permitted): readonly Route[] {
  const path = `/v3/${service}/perms/:id/user/:user`;

  async function revoke(call: Call, { store }: ApiDeps, permissions: string[]) {
    const { caller, params } = call;
    const user = userOf(call);
    const isOwn = user === caller.user && !permissions.includes('EXECUTE');
    const { id } = await find(store, caller, params['id'] ?? '', isOwn ? 'READ' : 'OWNER');
    const levels = permissions.includes('READ') ? [...new Set([...permissions, 'MODIFY'])] : permissions; // MODIFY implies READ
    await store.grants.revoke(caller.tenant, `${kind}:${id}`, user, levels);
    return { status: 201, says: `${token}_PERMS_REVOKED ${levels.join(',')} on ${id} from ${user}` };
  }

  return [
    route({
      method: 'post',
      path,
      handle: async (call, deps) => {
        const { body, caller, params } = call;
        const { store } = deps;
        const user = userOf(call);
        const { permissions } = parseBody(Permissions, body);
        const { id } = await find(store, caller, params['id'] ?? '', 'OWNER');
        await refuseMoreOf('permissions', caller.user, caller, deps);
        const levels = permissions.includes('MODIFY') ? [...new Set([...permissions, 'READ'])] : permissions;
        await store.grants.grant(caller.tenant, `${kind}:${id}`, user, levels, caller.user);
        return { status: 201, says: `${token}_PERMS_GRANTED ${levels.join(',')} on ${id} for ${user}` };
      },
    }),
    route({
      method: 'get',
      path,
      handle: async (call, { store }) => {
        const { id, owner } = await find(store, call.caller, call.params['id'] ?? '', 'READ');
        const user = userOf(call);
        const held =
          owner === user ? ALL : await store.grants.levels(call.caller.tenant, `${kind}:${id}`, user);
        return {
          says: `TAPIS_FOUND Permissions of ${user} on ${id}`,
          result: { names: ALL.filter((level) => held.includes(level)) },
        };
      },
    }),
    route({
      method: 'post',
      path: `${path}/revoke`,
      handle: (call, deps) => revoke(call, deps, parseBody(Permissions, call.body).permissions),
    }),
    route({
      method: 'delete',
      path: `${path}/:perm`,
      handle: (call, deps) =>
        revoke(call, deps, parseBody(Permissions, { permissions: [call.params['perm'] ?? ''] }).permissions),
    }),
  ];
}

/** All grants on exactly this resource end; a prefix would reach others of a longer name. */
export async function dropGrants(
  { grants }: ApiDeps['store'],
  tenant: string,
  resource: string,
): Promise<void> {
  for await (const { resource: found, user, level } of oneByOne(
    await grants.listByPrefix(tenant, resource),
  )) {
    if (found === resource) await grants.revoke(tenant, resource, user, [level]);
  }
}
