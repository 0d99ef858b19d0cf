import { KilimError } from '../../domain/errors.js';
import { watchKey } from '../../domain/jobs/remote.js';
import { SYSTEM_ATTRIBUTES } from '../../domain/search/attributes.js';
import type { Condition } from '../../domain/search/condition.js';
import type { System } from '../../domain/systems/system.js';
import { isDynamic } from '../../domain/systems/system.js';
import { now } from '../../store/now.js';
import type { SystemHead } from '../../store/store.js';
import { deletedSystemFor, loginUserOf, systemFor } from '../authorize.js';
import type { ApiDeps } from '../deps.js';
import { listInTurn } from '../list-turns.js';
import {
  bodyObject, flag, listMetadata, MOST_RECORDS, MOST_SUMMARIES, oneOf, pagingOf, selected, showsDocuments, startOf,
} from '../paging.js'; // prettier-ignore
import { registerSystem, replaceSystem } from '../register-system.js';
import { route, type Answer, type Call, type Route } from '../route.js';
import { searchOf, searchRoutes } from '../search.js';
import { sliced } from '../slices.js';
import { callerIn, refuseThisMachine } from '../this-machine.js';
import { refuseMoreOf } from '../user-limits.js';
import { systemRecord } from '../wire.js';
import { dropGrants, permissionRoutes, userOf } from './permissions.js';
import { profileRoutes } from './scheduler-profiles.js';
import { credentialRoutes } from './system-credentials.js';

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
/** Never changed by PATCH or PUT (platform §3.5). */
const FIXED = ['id', 'systemType', 'owner', 'enabled', 'bucketName', 'rootDir', 'canExec', 'authnCredential'];
const SERVICES_ONLY = ['returnCredentials', 'sharedAppCtx', 'resourceTenant', 'impersonationId'];

const idOf = ({ params }: Call): string => params['id'] ?? '';
const recordFor = async (
  { caller }: Call,
  { store }: ApiDeps,
  system: System,
): Promise<Record<string, unknown>> => systemRecord(system, await loginUserOf(store, system, caller.user));

const addSystem = route({
  method: 'post',
  path: '/v3/systems',
  handle: async ({ base, body, caller, query }, deps) => {
    const system = await registerSystem(
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
  handle: async (call, deps) => {
    const { caller, query } = call;
    const system = await systemFor(deps.store, caller, idOf(call), 'READ');
    for (const name of SERVICES_ONLY)
      if (query[name] && !/^false$/i.test(query[name]))
        throw new KilimError('NOT_AUTHORIZED', `${name} is for services only.`);
    if (flag('requireExecPerm', query['requireExecPerm'])) {
      await systemFor(deps.store, caller, system.id, 'EXECUTE');
      if (!system.canExec)
        throw new KilimError('NOT_AUTHORIZED', `SYSLIB_NOTEXEC The system ${system.id} cannot run jobs.`);
    }
    return {
      says: `TAPIS_FOUND System found: ${system.id}`,
      result: selected(await recordFor(call, deps, system), query['select'] ?? 'allAttributes', SUMMARY),
    };
  },
});

async function list(call: Call, { store }: ApiDeps, condition: Condition): Promise<Answer> {
  const { caller, query } = call;
  const { tenant, user } = caller;
  const isWhole = showsDocuments(query['select'], SYSTEM_ATTRIBUTES);
  const most = isWhole ? MOST_RECORDS : MOST_SUMMARIES;
  const asked = pagingOf(call, SYSTEM_ATTRIBUTES, most);
  const paging = { ...asked, ...startOf(asked, most) };
  const listType = oneOf('listType', query['listType'], ['OWNED', 'SHARED_PUBLIC', 'ALL']);
  const hasCredentials =
    query['hasCredentials'] === undefined ? null : flag('hasCredentials', query['hasCredentials']);
  const scope = ({ OWNED: 'own', SHARED_PUBLIC: 'none', ALL: 'all' } as const)[listType];
  const showDeleted = flag('showDeleted', query['showDeleted']);
  const { ids, total } = await listInTurn(caller, () =>
    store.systems.list({ tenant, user, scope, where: condition, ...paging, showDeleted }, hasCredentials),
  );
  const logins = await store.systems.logins(tenant, user);
  const shown = (system: System | SystemHead): Record<string, unknown> => {
    const login = isDynamic(system) ? (logins.get(system.id) ?? user) : system.effectiveUserId;
    return selected(systemRecord(system, login), query['select'], SUMMARY);
  };
  return {
    says: `TAPIS_FOUND Systems found: ${ids.length}`,
    slices: sliced(ids, isWhole, async (some) =>
      (isWhole ? await store.systems.many(tenant, some) : await store.systems.heads(tenant, some)).map(shown),
    ),
    metadata: listMetadata(call, paging, ids.length, total),
  };
}

const listSystems = route({
  method: 'get',
  path: '/v3/systems',
  handle: (call, deps) => list(call, deps, searchOf(call, SYSTEM_ATTRIBUTES)),
});

const updated = ({ id, host, port }: System, newer: System): string =>
  `SYSAPI_UPDATED System updated: ${id}${
    newer.host === host && newer.port === port
      ? ''
      : `. It was moved: its credentials are of no use there, and have to be given again by POST /v3/systems/credential/${id}/user/{user}`
  }`;

const patchSystem = route({
  method: 'patch',
  path: '/v3/systems/:id',
  handle: async (call, deps) => {
    const body = bodyObject(call.body);
    const wrong = FIXED.filter((name) => name in body);
    if (wrong.length > 0)
      throw new KilimError('INVALID_REQUEST', wrong.map((name) => `${name}: cannot be changed`).join('\n'));
    const older = await systemFor(deps.store, call.caller, idOf(call), 'MODIFY');
    const newer = await replaceSystem(older, { ...older, ...body }, call.caller, deps);
    return {
      says: updated(older, newer),
      result: { url: `${call.base}/v3/systems/${older.id}` },
    };
  },
});

const putSystem = route({
  method: 'put',
  path: '/v3/systems/:id',
  handle: async (call, deps) => {
    const older = await systemFor(deps.store, call.caller, idOf(call), 'MODIFY');
    const kept = Object.fromEntries(
      [...FIXED, 'effectiveUserId']
        .filter((name) => name !== 'authnCredential')
        .map((name) => [name, older[name as keyof System]]),
    );
    const newer = await replaceSystem(
      older,
      { ...bodyObject(call.body), authnCredential: null, ...kept },
      call.caller,
      deps,
    );
    return {
      says: updated(older, newer),
      result: { url: `${call.base}/v3/systems/${older.id}` },
    };
  },
});

interface Besides {
  /** Called before the change, with the system as it will be; it throws where the change is refused. */
  before?: (call: Call, deps: ApiDeps, system: System) => Promise<void>;
  after?: (call: Call, deps: ApiDeps, system: System) => Promise<void>;
}

/** A change of one member by the owner; `changes` says whether anything did change. */
const change = (
  action: string,
  find: typeof systemFor,
  to: (system: System, call: Call) => Partial<System>,
  { before, after }: Besides = {},
): Route =>
  route({
    method: 'post',
    path: `/v3/systems/:id/${action}`,
    handle: async (call, deps) => {
      const system = await find(deps.store, call.caller, idOf(call), 'OWNER');
      const wanted = to(system, call);
      const isNew = Object.entries(wanted).some(([name, value]) => system[name as keyof System] !== value);
      if (isNew) {
        await before?.(call, deps, { ...system, ...wanted });
        await deps.store.systems.replace({ ...system, ...wanted, updated: now() });
        await after?.(call, deps, system);
      }
      return { says: `SYSAPI_UPDATED ${action}: ${system.id}`, result: { changes: isNew ? 1 : 0 } };
    },
  });

/** Removes all permissions on a system: they were given by its former owner, and a new owner decides anew. */
const forgetRights = async ({ caller }: Call, { store }: ApiDeps, system: System): Promise<void> => {
  await dropGrants(store, caller.tenant, `system:${system.id}`);
  await store.grants.removeResource(caller.tenant, `files:${system.id}:`);
};

const forget = async (call: Call, deps: ApiDeps, system: System): Promise<void> => {
  const [{ caller }, { store }] = [call, deps];
  await forgetRights(call, deps, system);
  if (!isDynamic(system))
    await store.systems.removeCredential(caller.tenant, system.id, 'static', system.effectiveUserId);
};

const isEnabled = route({
  method: 'get',
  path: '/v3/systems/:id/isEnabled',
  handle: async (call, { store }) => {
    const system = await systemFor(store, call.caller, idOf(call), 'READ');
    return { says: `TAPIS_FOUND ${system.id}`, result: { aBool: system.enabled } };
  },
});

/**
 * Accepts a changed host key. The owner of the system accepts it for the system; every user accepts it for the user's own jobs
 * that were launched before the change. The owner of a system with a dynamic user cannot accept it for jobs of other users.
 */
const acceptHostKey = route({
  method: 'post',
  path: '/v3/systems/:id/hostKey',
  handle: async (call, { store }) => {
    const { tenant, user, isAdmin } = call.caller;
    const system = await systemFor(store, call.caller, idOf(call), 'READ');
    const isOwner = isAdmin || system.owner === user;
    if (isOwner) await store.systems.unpinHostKey(tenant, system.id);
    const jobs = await store.jobs.unbindFromHost({
      tenant,
      systemId: system.id,
      owner: isAdmin ? null : user,
      watchKey: isOwner && !isDynamic(system) ? staticKeyOf(system) : null,
    });
    // the next host key concerns the owner of the system, and users with live jobs there
    if (!isOwner && jobs === 0) await systemFor(store, call.caller, system.id, 'OWNER');
    const next = isOwner
      ? `The next host key of ${system.id} will be pinned`
      : 'The system keeps its host key';
    return {
      says: `SYSAPI_UPDATED ${next}; the host that answers next counts for ${jobs} live job(s).`,
      result: { changes: (isOwner && system.hostKey !== null ? 1 : 0) + jobs },
    };
  },
});

/** The watch key of jobs that log in with the system's own credential. The owner of the system may accept another host for them. */
const staticKeyOf = ({ tenant, id, effectiveUserId }: System): string =>
  watchKey(tenant, { systemId: id, loginUser: effectiveUserId, asUser: '', isStaticLogin: true });

/** Systems (specification: platform §3); literal paths before `/:id`. */
export const systemRoutes: readonly Route[] = [
  addSystem,
  listSystems,
  ...searchRoutes('/v3/systems/search', { table: SYSTEM_ATTRIBUTES, plainNames: 'ignore' }, list),
  ...profileRoutes,
  ...permissionRoutes({ service: 'systems', kind: 'system', token: 'SYSAPI', find: systemFor }),
  ...credentialRoutes,
  isEnabled,
  change('enable', systemFor, () => ({ enabled: true })),
  change('disable', systemFor, () => ({ enabled: false })),
  change('delete', deletedSystemFor, () => ({ deleted: true }), { after: forget }),
  change('undelete', deletedSystemFor, () => ({ deleted: false })),
  change('changeOwner/:user', systemFor, (_system, call) => ({ owner: userOf(call) }), {
    before: async (call, deps, system) => {
      await refuseThisMachine(deps, system, callerIn(call.caller));
      await refuseMoreOf('systems', system.owner, call.caller, deps);
    },
    after: forgetRights,
  }),
  acceptHostKey,
  getSystem,
  patchSystem,
  putSystem,
];
