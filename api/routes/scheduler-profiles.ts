import { randomUUID } from 'node:crypto';

import { KilimError } from '../../domain/errors.js';
import type { SchedulerProfile } from '../../domain/systems/system.js';
import { parseBody } from '../../schemas/parse.js';
import { Profile } from '../../schemas/system.js';
import { now } from '../../store/now.js';
import type { ApiDeps, Caller } from '../deps.js';
import { refuseMoreOf } from '../user-limits.js';
import { route, type Call, type Route } from '../route.js';
import { sliced } from '../slices.js';

/** Registers a profile; the seed uses the same door. */
export async function registerProfile(
  body: unknown,
  caller: Caller,
  deps: ApiDeps,
): Promise<SchedulerProfile> {
  const { name, description, owner: asked, moduleLoads, hiddenOptions } = parseBody(Profile, body);
  const owner = asked ?? caller.user;
  if (owner !== caller.user && !caller.isAdmin)
    throw new KilimError('NOT_AUTHORIZED', `${caller.user} may not create a profile for ${owner}.`);
  await refuseMoreOf('scheduler profiles', owner, caller, deps);
  const at = now();
  return deps.store.profiles.add({
    tenant: caller.tenant,
    name,
    uuid: randomUUID(),
    description,
    owner,
    moduleLoads,
    hiddenOptions,
    created: at,
    updated: at,
  });
}

async function profileOf({ caller, params }: Call, { store }: ApiDeps): Promise<SchedulerProfile> {
  const name = params['name'] ?? '';
  const profile = await store.profiles.find(caller.tenant, name);
  if (!profile) throw new KilimError('PROFILE_NOT_FOUND', `The scheduler profile ${name} was not found.`);
  return profile;
}

const PATH = '/v3/systems/schedulerProfile';

/** Named ways to prepare batch jobs (specification: platform §3.7). */
export const profileRoutes: readonly Route[] = [
  route({
    method: 'post',
    path: PATH,
    handle: async ({ base, body, caller }, deps) => {
      const { name } = await registerProfile(body, caller, deps);
      return {
        status: 201,
        says: `SYSAPI_PRF_CREATED Profile created: ${name}`,
        result: { url: `${base}${PATH}/${name}` },
      };
    },
  }),
  route({
    method: 'get',
    path: PATH,
    handle: async ({ caller }, { store }) => ({
      says: 'TAPIS_FOUND Profiles found',
      slices: sliced(await store.profiles.names(caller.tenant), true, async (names) =>
        (await Promise.all(names.map((name) => store.profiles.find(caller.tenant, name)))).filter(Boolean),
      ),
    }),
  }),
  route({
    method: 'get',
    path: `${PATH}/:name`,
    handle: async (call, deps) => {
      const profile = await profileOf(call, deps);
      return { says: `TAPIS_FOUND Profile found: ${profile.name}`, result: profile };
    },
  }),
  route({
    method: 'delete',
    path: `${PATH}/:name`,
    handle: async (call, deps) => {
      const { name, owner } = await profileOf(call, deps);
      if (owner !== call.caller.user && !call.caller.isAdmin)
        throw new KilimError('NOT_AUTHORIZED', `${call.caller.user} does not own the profile ${name}.`);
      const isGone = await deps.store.profiles.remove(call.caller.tenant, name);
      return { says: `SYSAPI_PRF_DELETED Profile deleted: ${name}`, result: { changes: isGone ? 1 : 0 } };
    },
  }),
];
