import { randomUUID } from 'node:crypto';

import type { App } from '../../domain/apps/app.js';
import { KilimError } from '../../domain/errors.js';
import { AppDefinition } from '../../schemas/app.js';
import { parseBody } from '../../schemas/parse.js';
import { Permissions } from '../../schemas/system.js';
import { now } from '../../store/now.js';
import { appFor, systemFor } from '../authorize.js';
import type { ApiDeps, Caller } from '../deps.js';
import { listMetadata, pagingOf, selected } from '../paging.js';
import { route, type Route } from '../route.js';
import { appRecord } from '../wire.js';

const RESERVED_IDS = /^(healthcheck|readycheck|search|share|unshare|share_public|unshare_public|perms)$/i;
const RESERVED_VERSIONS = /^(isenabled|enable|disable|delete|undelete|history|changeowner)$/i;
const SUMMARY = ['id', 'version', 'owner'];

/** Registers an application version; the seed uses the same door. */
export async function createApp(body: unknown, caller: Caller, { store }: ApiDeps): Promise<App> {
  const given = parseBody(AppDefinition, body);
  if (RESERVED_IDS.test(given.id) || RESERVED_VERSIONS.test(given.version))
    throw new KilimError('CONFLICT', `The id or version ${given.id} ${given.version} is reserved.`);
  const older = await store.apps.findLatest(caller.tenant, given.id);
  if (older?.deleted) throw new KilimError('CONFLICT', `The application ${given.id} exists and is deleted.`);
  if (older) await appFor(store, caller, given.id, null, 'MODIFY');
  const owner = older?.owner ?? (!given.owner || given.owner === '${apiUserId}' ? caller.user : given.owner);
  if (!older && owner !== caller.user && !caller.isAdmin)
    throw new KilimError('NOT_AUTHORIZED', `${caller.user} may not create an application for ${owner}.`);
  await checkSystems(given, caller, store);
  const at = now();
  return store.apps.add({
    ...(given as unknown as App),
    tenant: caller.tenant,
    uuid: randomUUID(),
    owner,
    enabled: older?.enabled ?? given.enabled,
    deleted: false,
    created: at,
    updated: at,
  });
}

async function checkSystems(
  { jobAttributes }: AppDefinition,
  caller: Caller,
  store: ApiDeps['store'],
): Promise<void> {
  const { execSystemId, archiveSystemId, archiveSystemDir } = jobAttributes;
  const faults: string[] = [];
  const check = async (field: string, id: string, level: 'EXECUTE' | 'READ'): Promise<void> => {
    try {
      const system = await systemFor(store, caller, id, level);
      if (level === 'EXECUTE' && !system.canExec)
        faults.push(`jobAttributes.${field}: ${id} cannot run jobs`);
    } catch (error) {
      if (!(error instanceof KilimError)) throw error;
      faults.push(`jobAttributes.${field}: ${error.message}`);
    }
  };
  if (execSystemId) await check('execSystemId', execSystemId, 'EXECUTE');
  if (archiveSystemId) {
    await check('archiveSystemId', archiveSystemId, 'READ');
    if (!archiveSystemDir) faults.push('jobAttributes.archiveSystemDir: is required with archiveSystemId');
  }
  if (faults.length > 0) throw new KilimError('INVALID_REQUEST', faults.join('\n'));
}

/** Applications (specification: platform §4). */
export const appRoutes: readonly Route[] = [
  route({
    method: 'post',
    path: '/v3/apps',
    handle: async ({ base, body, caller }, deps) => {
      const app = await createApp(body, caller, deps);
      return {
        status: 201,
        says: `APPAPI_CREATED Application created. App: ${app.id} Version: ${app.version}`,
        result: { url: `${base}/v3/apps/${app.id}` },
      };
    },
  }),
  route({
    method: 'get',
    path: '/v3/apps',
    handle: async (call, { store }) => {
      const { caller, query } = call;
      const paging = pagingOf(call);
      const isAll = /^all$/i.test(query['listType'] ?? 'OWNED');
      const latest = new Map<string, App>();
      for (const app of await store.apps.list(caller.tenant)) {
        if (app.deleted || latest.has(app.id)) continue;
        if (
          app.owner === caller.user ||
          (isAll && (await store.grants.levels(caller.tenant, `app:${app.id}`, caller.user)).includes('READ'))
        )
          latest.set(app.id, app);
      }
      const mine = [...latest.values()];
      const page = mine.slice(paging.skip, paging.limit < 0 ? undefined : paging.skip + paging.limit);
      const result = page.map((app) => selected(appRecord(app), query['select'], SUMMARY));
      return {
        says: `TAPIS_FOUND Applications found: ${result.length}`,
        result,
        metadata: listMetadata(call, paging, result.length, mine.length),
      };
    },
  }),
  route({
    method: 'post',
    path: '/v3/apps/perms/:id/user/:user',
    handle: async ({ body, caller, params }, { store }) => {
      const app = await appFor(store, caller, params['id'] ?? '', null, 'OWNER');
      const { permissions } = parseBody(Permissions, body);
      const levels = permissions.includes('MODIFY') ? [...new Set([...permissions, 'READ'])] : permissions;
      await store.grants.grant(caller.tenant, `app:${app.id}`, params['user'] ?? '', levels, caller.user);
      return { status: 201, says: `APPAPI_PERMS_GRANTED ${levels.join(',')} on ${app.id}` };
    },
  }),
  route({
    method: 'get',
    path: '/v3/apps/:id',
    handle: async ({ caller, params, query }, { store }) => {
      const app = await appFor(store, caller, params['id'] ?? '', null, 'READ');
      return {
        says: `TAPIS_FOUND Application found: ${app.id}`,
        result: selected(appRecord(app), query['select'] ?? 'allAttributes', SUMMARY),
      };
    },
  }),
  route({
    method: 'get',
    path: '/v3/apps/:id/:version',
    handle: async ({ caller, params, query }, { store }) => {
      const app = await appFor(store, caller, params['id'] ?? '', params['version'] ?? '', 'READ');
      return {
        says: `TAPIS_FOUND Application found: ${app.id}`,
        result: selected(appRecord(app), query['select'] ?? 'allAttributes', SUMMARY),
      };
    },
  }),
];
