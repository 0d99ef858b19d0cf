import { randomUUID } from 'node:crypto';

import { KilimError } from '../../domain/errors.js';
import { normalizePath } from '../../domain/files/path.js';
import type { System } from '../../domain/systems/system.js';
import { SystemDefinition } from '../../schemas/system.js';
import { parseBody } from '../../schemas/parse.js';
import { now } from '../../store/now.js';
import { loginUserOf, systemFor } from '../authorize.js';
import type { ApiDeps, Caller } from '../deps.js';
import { flag, listMetadata, pagingOf, selected } from '../paging.js';
import { route, type Route } from '../route.js';
import { systemRecord } from '../wire.js';
import { checkCredential, credentialRoutes, permissionRoutes, profileRoutes } from './system-access.js';

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

/** Systems (specification: platform §3). */
export const systemRoutes: readonly Route[] = [
  addSystem, listSystems, ...profileRoutes, ...permissionRoutes, ...credentialRoutes, setEnabled('enable'), setEnabled('disable'), acceptHostKey, getSystem,
]; // prettier-ignore
