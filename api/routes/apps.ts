import type { App } from '../../domain/apps/app.js';
import { KilimError } from '../../domain/errors.js';
import { APP_ATTRIBUTES } from '../../domain/search/attributes.js';
import { asksFor, type Condition } from '../../domain/search/condition.js';
import { now } from '../../store/now.js';
import { appFor, deletedAppFor } from '../authorize.js';
import type { ApiDeps } from '../deps.js';
import { listInTurn } from '../list-turns.js';
import {
  bodyObject, flag, listMetadata, MOST_RECORDS, MOST_SUMMARIES, oneOf, pagingOf, selected, showsDocuments, startOf,
} from '../paging.js'; // prettier-ignore
import { registerApp, replaceApp } from '../register-app.js';
import { route, type Answer, type Call, type Route } from '../route.js';
import { searchOf, searchRoutes } from '../search.js';
import { oneByOne, sliced } from '../slices.js';
import { refuseMoreOf } from '../user-limits.js';
import { appRecord } from '../wire.js';
import { dropGrants, permissionRoutes, userOf } from './permissions.js';

const SUMMARY = ['id', 'version', 'owner'];
const LIST_TYPES = ['OWNED', 'SHARED_PUBLIC', 'SHARED_DIRECT', 'READ_PERM', 'MINE', 'ALL'] as const;
const SCOPE_OF = {
  OWNED: 'own', MINE: 'own', SHARED_PUBLIC: 'none', SHARED_DIRECT: 'none', READ_PERM: 'granted', ALL: 'all',
} as const; // prettier-ignore
/** Never changed by PATCH or PUT (platform §4.5). */
const FIXED = ['id', 'version', 'owner', 'enabled', 'versionEnabled', 'locked', 'deleted'];

const idOf = ({ params }: Call): string => params['id'] ?? '';
const versionOf = ({ params }: Call): string => params['version'] ?? '';

const addApp = route({
  method: 'post',
  path: '/v3/apps',
  handle: async ({ base, body, caller }, deps) => {
    const app = await registerApp(body, caller, deps);
    return {
      status: 201,
      says: `APPAPI_CREATED Application created. App: ${app.id} Version: ${app.version}`,
      result: { url: `${base}/v3/apps/${app.id}` },
    };
  },
});

/** The latest version of each, or all where the search asks for versions (platform §4.6). */
async function list(call: Call, { store }: ApiDeps, condition: Condition): Promise<Answer> {
  const { caller, query } = call;
  const { tenant, user } = caller;
  const isWhole = showsDocuments(query['select'], APP_ATTRIBUTES);
  const most = isWhole ? MOST_RECORDS : MOST_SUMMARIES;
  const asked = pagingOf(call, APP_ATTRIBUTES, most);
  const paging = { ...asked, ...startOf(asked, most) };
  const scope = SCOPE_OF[oneOf('listType', query['listType'], LIST_TYPES)];
  const showDeleted = flag('showDeleted', query['showDeleted']);
  const { keys, total } = await listInTurn(caller, () =>
    store.apps.list(
      { tenant, user, scope, where: condition, ...paging, showDeleted },
      asksFor(condition, 'version'),
    ),
  );
  return {
    says: `TAPIS_FOUND Applications found: ${keys.length}`,
    slices: sliced(keys, isWhole, async (some) =>
      (isWhole ? await store.apps.many(tenant, some) : await store.apps.heads(tenant, some)).map((app) =>
        selected(appRecord(app), query['select'], SUMMARY),
      ),
    ),
    metadata: listMetadata(call, paging, keys.length, total),
  };
}

const listApps = route({
  method: 'get',
  path: '/v3/apps',
  handle: (call, deps) => list(call, deps, searchOf(call, APP_ATTRIBUTES)),
});

const getApp = (path: string, version: (call: Call) => string | null): Route =>
  route({
    method: 'get',
    path,
    handle: async (call, { store }) => {
      const { caller, query } = call;
      for (const name of ['impersonationId', 'resourceTenant'])
        if (query[name] !== undefined)
          throw new KilimError('NOT_AUTHORIZED', `${name} is for services only.`);
      const app = await appFor(store, caller, idOf(call), version(call), 'READ');
      if (flag('requireExecPerm', query['requireExecPerm']))
        await appFor(store, caller, app.id, app.version, 'EXECUTE');
      return {
        says: `TAPIS_FOUND Application found: ${app.id}`,
        result: selected(appRecord(app), query['select'] ?? 'allAttributes', SUMMARY),
      };
    },
  });

const isEnabled = route({
  method: 'get',
  path: '/v3/apps/:id/isEnabled',
  handle: async (call, { store }) => {
    const version = call.query['version'] ?? null;
    const app = await appFor(store, call.caller, idOf(call), version, 'READ');
    return {
      says: `TAPIS_FOUND ${app.id}`,
      result: { aBool: app.enabled && (version === null || app.versionEnabled) },
    };
  },
});

async function changeable(call: Call, store: ApiDeps['store']): Promise<App> {
  const app = await appFor(store, call.caller, idOf(call), versionOf(call), 'MODIFY');
  if (app.locked)
    throw new KilimError('NOT_AUTHORIZED', `The version ${app.version} of ${app.id} is locked.`);
  return app;
}

const updated = ({ base }: Call, { id, version }: App) => ({
  says: `APPAPI_UPDATED ${id} ${version}`,
  result: { url: `${base}/v3/apps/${id}/${version}` },
});

/** `jobAttributes` and its `parameterSet` are merged by member, lists replace as a whole. */
const patchApp = route({
  method: 'patch',
  path: '/v3/apps/:id/:version',
  handle: async (call, deps) => {
    const { jobAttributes, ...body } = bodyObject(call.body);
    const wrong = FIXED.filter((name) => name in body);
    if (wrong.length > 0)
      throw new KilimError('INVALID_REQUEST', wrong.map((name) => `${name}: cannot be changed`).join('\n'));
    const older = await changeable(call, deps.store);
    const { parameterSet, ...attributes } = jobAttributes ? bodyObject(jobAttributes) : {};
    const ours = older.jobAttributes;
    const set = { ...ours.parameterSet, ...(parameterSet ? bodyObject(parameterSet) : {}) };
    const wanted = { ...older, ...body, jobAttributes: { ...ours, ...attributes, parameterSet: set } };
    await replaceApp(older, wanted, call.caller, deps);
    return updated(call, older);
  },
});

const putApp = route({
  method: 'put',
  path: '/v3/apps/:id/:version',
  handle: async (call, deps) => {
    const older = await changeable(call, deps.store);
    const kept = Object.fromEntries(FIXED.map((name) => [name, older[name as keyof App]]));
    await replaceApp(older, { ...bodyObject(call.body), ...kept }, call.caller, deps);
    return updated(call, older);
  },
});

interface Besides {
  /** Called before anything is changed; it throws where the change is refused. */
  before?: (call: Call, deps: ApiDeps) => Promise<void>;
  after?: (call: Call, deps: ApiDeps) => Promise<void>;
}

/** A change that all versions share; `changes` says whether anything did change. */
const changeAll = (
  action: string,
  find: typeof appFor,
  to: (call: Call) => Partial<App>,
  { before, after }: Besides = {},
): Route =>
  route({
    method: 'post',
    path: `/v3/apps/:id/${action}`,
    handle: async (call, deps) => {
      const app = await find(deps.store, call.caller, idOf(call), null, 'OWNER');
      const wanted = to(call);
      if (!differs(app, wanted))
        return { says: `APPAPI_UPDATED ${action}: ${app.id}`, result: { changes: 0 } };
      await before?.(call, deps);
      const { apps } = deps.store;
      // the versions are read one by one, because all of them together may be too large for the memory
      for await (const name of oneByOne(await apps.versions(app.tenant, app.id))) {
        const version = await apps.find(app.tenant, app.id, name);
        if (version) await apps.replace({ ...version, ...wanted, updated: now() });
      }
      await after?.(call, deps);
      return { says: `APPAPI_UPDATED ${action}: ${app.id}`, result: { changes: 1 } };
    },
  });

/** A new owner starts without the permissions that the former owner gave, and a deleted application has none. */
const forgetRights = ({ caller, params }: Call, { store }: ApiDeps): Promise<void> =>
  dropGrants(store, caller.tenant, `app:${params['id'] ?? ''}`);

const changeVersion = (action: string, wanted: Partial<App>): Route =>
  route({
    method: 'post',
    path: `/v3/apps/:id/:version/${action}`,
    handle: async (call, { store }) => {
      const app = await appFor(store, call.caller, idOf(call), versionOf(call), 'OWNER');
      const isNew = differs(app, wanted);
      if (isNew) await store.apps.replace({ ...app, ...wanted, updated: now() });
      return {
        says: `APPAPI_UPDATED ${action}: ${app.id} ${app.version}`,
        result: { changes: isNew ? 1 : 0 },
      };
    },
  });

const differs = (app: App, wanted: Partial<App>): boolean =>
  Object.entries(wanted).some(([name, value]) => app[name as keyof App] !== value);

/** Applications (specification: platform §4); literal paths before `/:id/:version`. */
export const appRoutes: readonly Route[] = [
  addApp,
  listApps,
  ...searchRoutes('/v3/apps/search', { table: APP_ATTRIBUTES, plainNames: 'ignore' }, list),
  ...permissionRoutes({
    service: 'apps',
    kind: 'app',
    token: 'APPAPI',
    find: (store, caller, id, level) => appFor(store, caller, id, null, level),
  }),
  isEnabled,
  changeAll('enable', appFor, () => ({ enabled: true })),
  changeAll('disable', appFor, () => ({ enabled: false })),
  changeAll('delete', deletedAppFor, () => ({ deleted: true }), { after: forgetRights }),
  changeAll('undelete', deletedAppFor, () => ({ deleted: false })),
  changeAll('changeOwner/:user', appFor, (call) => ({ owner: userOf(call) }), {
    before: (call, deps) => refuseMoreOf('versions of applications', userOf(call), call.caller, deps),
    after: forgetRights,
  }),
  changeVersion('enable', { versionEnabled: true }),
  changeVersion('disable', { versionEnabled: false }),
  changeVersion('lock', { locked: true }),
  changeVersion('unlock', { locked: false }),
  getApp('/v3/apps/:id', () => null),
  getApp('/v3/apps/:id/:version', versionOf),
  patchApp,
  putApp,
];
