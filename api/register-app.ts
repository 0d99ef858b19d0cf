import { randomUUID } from 'node:crypto';

import type { App } from '../domain/apps/app.js';
import { KilimError } from '../domain/errors.js';
import { runtimes } from '../runtimes/index.js';
import { AppDefinition } from '../schemas/app.js';
import { parseBody } from '../schemas/parse.js';
import { now } from '../store/now.js';
import { appFor, systemFor } from './authorize.js';
import type { ApiDeps, Caller } from './deps.js';
import { refuseMoreOf } from './user-limits.js';

const RESERVED_IDS = /^(healthcheck|readycheck|search|share|unshare|share_public|unshare_public|perms)$/i;
const RESERVED_VERSIONS = /^(isenabled|enable|disable|delete|undelete|history|changeowner)$/i;

/** Registers an application version; the seed uses the same door. */
export async function registerApp(body: unknown, caller: Caller, deps: ApiDeps): Promise<App> {
  const { store } = deps;
  const { owner: asked, ...given } = parseBody(AppDefinition, body);
  if (RESERVED_IDS.test(given.id) || RESERVED_VERSIONS.test(given.version)) {
    throw new KilimError('CONFLICT', `The id or version ${given.id} ${given.version} is reserved.`);
  }
  const older = await store.apps.findLatest(caller.tenant, given.id);
  if (older?.deleted) throw new KilimError('CONFLICT', `The application ${given.id} exists and is deleted.`);
  if (older) await appFor(store, caller, given.id, null, 'MODIFY');
  const owner = older?.owner ?? (!asked || asked === '${apiUserId}' ? caller.user : asked);
  if (!older && owner !== caller.user && !caller.isAdmin) {
    throw new KilimError('NOT_AUTHORIZED', `${caller.user} may not create an application for ${owner}.`);
  }
  await refuseMoreOf('versions of applications', owner, caller, deps);
  await checkMeaning(given, caller, store);
  const at = now();
  const shared = { tenant: caller.tenant, owner, enabled: older?.enabled ?? given.enabled, deleted: false };
  return store.apps.add({ ...given, ...shared, uuid: randomUUID(), created: at, updated: at });
}

/** A changed version as a whole: schema, meaning, then the row. */
export async function replaceApp(
  older: App,
  wanted: Record<string, unknown>,
  caller: Caller,
  { store }: ApiDeps,
): Promise<App> {
  const { owner, ...given } = parseBody(AppDefinition, wanted);
  void owner;
  await checkMeaning(given, caller, store);
  const { tenant, uuid, deleted, created } = older;
  return store.apps.replace({ ...given, owner: older.owner, tenant, uuid, deleted, created, updated: now() });
}

type Meant = Pick<App, 'containerImage' | 'jobAttributes' | 'jobType' | 'runtime' | 'runtimeOptions'>;

/** What the schema cannot know: the systems it names, with the caller's rights. @throws KilimError INVALID_REQUEST with all faults */
async function checkMeaning(
  { containerImage, jobAttributes, jobType, runtime, runtimeOptions }: Meant,
  caller: Caller,
  store: ApiDeps['store'],
): Promise<void> {
  const { execSystemId, archiveSystemId, archiveSystemDir, execSystemLogicalQueue, parameterSet } =
    jobAttributes;
  const faults = runtimes[runtime].faults(
    { containerImage, runtimeOptions, containerArgs: [], inputs: [] },
    'ssh',
  );
  const find = async (field: string, id: string, level: 'EXECUTE' | 'READ') => {
    try {
      return await systemFor(store, caller, id, level);
    } catch (error) {
      if (!(error instanceof KilimError)) throw error;
      faults.push(`jobAttributes.${field}: ${error.message}`);
      return null;
    }
  };
  const exec = execSystemId ? await find('execSystemId', execSystemId, 'EXECUTE') : null;
  if (exec && !exec.canExec) faults.push(`jobAttributes.execSystemId: ${exec.id} cannot run jobs`);
  if (exec && jobType === 'BATCH' && !exec.canRunBatch)
    faults.push(`jobType: BATCH needs canRunBatch on the system ${exec.id}`);
  // a FORK application may name a queue, which only its BATCH jobs use
  if (
    exec &&
    jobType === 'BATCH' &&
    execSystemLogicalQueue &&
    !exec.batchLogicalQueues.some(({ name }) => name === execSystemLogicalQueue)
  ) {
    faults.push(
      `jobAttributes.execSystemLogicalQueue: "${execSystemLogicalQueue}" is no queue of ${exec.id}`,
    );
  }
  if (archiveSystemId) {
    await find('archiveSystemId', archiveSystemId, 'READ');
    if (!archiveSystemDir) faults.push('jobAttributes.archiveSystemDir: is required with archiveSystemId');
  }
  for (const { arg } of parameterSet.containerArgs) {
    const isZipOption = arg?.trim() === '--tapis-zip-save';
    if (arg && isZipOption !== (runtime === 'ZIP')) {
      faults.push(
        `jobAttributes.parameterSet.containerArgs: "${arg.slice(0, 80)}" is not possible for ${runtime}`,
      );
    }
  }
  if (faults.length > 0) throw new KilimError('INVALID_REQUEST', faults.join('\n'));
}
