import { KilimError } from '../../domain/errors.js';
import { whyUnusable } from '../../domain/systems/credential-place.js';
import { isDynamic, type System } from '../../domain/systems/system.js';
import { parseBody } from '../../schemas/parse.js';
import { Credential } from '../../schemas/system.js';
import { systemFor } from '../authorize.js';
import type { ApiDeps } from '../deps.js';
import { countCredential } from '../host-attempts.js';
import { flag } from '../paging.js';
import { checkCredential, setCredential } from '../register-system.js';
import { route, type Call, type Route } from '../route.js';
import { userOf } from './permissions.js';

const PATH = '/v3/systems/credential/:id/user/:user';

/** Owner and admin for all; others for themselves where they may read (platform §3.8). */
async function target(
  call: Call,
  { store }: ApiDeps,
): Promise<{ system: System; user: string; kind: 'static' | 'dynamic' }> {
  const { caller, params } = call;
  const user = userOf(call);
  const system = await systemFor(store, caller, params['id'] ?? '', 'READ');
  const isDynamicSystem = isDynamic(system);
  // the account of a static system is everybody's who may use it: only its owner sets it
  if (!caller.isAdmin && system.owner !== caller.user && !(isDynamicSystem && caller.user === user)) {
    throw new KilimError(
      'NOT_AUTHORIZED',
      `${caller.user} may not handle credentials of ${user} on ${system.id}.`,
    );
  }
  return { system, user, kind: isDynamicSystem ? 'dynamic' : 'static' };
}

const add = route({
  method: 'post',
  path: PATH,
  handle: async (call, deps) => {
    const secret = parseBody(Credential, call.body);
    const { system, user } = await target(call, deps);
    await countCredential(deps, call.caller);
    await setCredential(
      deps,
      system,
      user,
      secret,
      flag('skipCredentialCheck', call.query['skipCredentialCheck']),
    );
    return { status: 201, says: `SYSAPI_CRED_UPDATED Credential of ${user} on ${system.id} updated` };
  },
});

const check = route({
  method: 'post',
  path: `${PATH}/check`,
  handle: async (call, deps) => {
    const { system, user, kind } = await target(call, deps);
    const { caller } = call;
    // a check sends the secret to the present address of the system, so only the user of the credential may start it
    if (kind === 'dynamic' && caller.user !== user && !caller.isAdmin)
      throw new KilimError(
        'NOT_AUTHORIZED',
        `The credential of ${user} on ${system.id} is checked by ${user} or an administrator only.`,
      );
    await countCredential(deps, caller);
    const secret = await deps.store.systems.getCredential(system.tenant, system.id, kind, user);
    if (!secret)
      throw new KilimError(
        'NOT_FOUND',
        `SYSAPI_CRED_NOT_FOUND No credential of ${user} on ${system.id} is stored.`,
      );
    const loginUser = secret.loginUser ?? user;
    const why = whyUnusable(secret, user, {
      systemId: system.id,
      host: system.host,
      port: system.port,
      loginUser,
    });
    if (why) throw new KilimError('CREDENTIAL_CHECK_FAILED', `SYSAPI_CRED_VALID_FAIL ${why}`);
    await checkCredential(deps, system, loginUser, secret, user);
    return { says: `SYSAPI_CRED_OK Credential of ${user} on ${system.id} works` };
  },
});

const show = route({
  method: 'get',
  path: PATH,
  handle: () => Promise.reject(new KilimError('NOT_AUTHORIZED', 'Credentials are write-only for users.')),
});

const remove = route({
  method: 'delete',
  path: PATH,
  handle: async (call, deps) => {
    const { system, user, kind } = await target(call, deps);
    await deps.store.systems.removeCredential(system.tenant, system.id, kind, user);
    return { status: 201, says: `SYSAPI_CRED_DELETED Credential of ${user} on ${system.id} deleted` };
  },
});

/** Secrets of hosts: set, tried, removed, never shown (specification: platform §3.3, §3.5). */
export const credentialRoutes: readonly Route[] = [check, add, show, remove];
