import { KilimError } from '../domain/errors.js';
import { fenceOf } from '../domain/files/path-rights.js';
import type { JobPlan } from '../domain/jobs/job-plan.js';
import type { System } from '../domain/systems/system.js';
import { fencedRoot, type Root } from '../hosts/rooted.js';
import type { Deps } from './deps.js';

interface Use {
  system: Pick<System, 'id' | 'owner'>;
  path: string;
  level: 'READ' | 'MODIFY';
  /** Whose right counts where a shared application names the path. */
  grantor: string | null;
}

/**
 * What was granted to the job's owner and holds the path, or `''` for all of the system. It was looked at when the job was
 * submitted; rights can be taken back while a job waits.
 * @throws KilimError TRANSFER_FAILED
 */
export async function fenceFor({ store }: Deps, plan: JobPlan, use: Use): Promise<string> {
  const user = use.grantor ?? plan.owner;
  const isAdmin = use.grantor === null && (await store.users.isAdmin(plan.tenant, user));
  const fence = await fenceOf({ ...use, user, isAdmin }, (resource) =>
    store.grants.levels(plan.tenant, resource, user),
  );
  if (fence === null)
    throw new KilimError(
      'TRANSFER_FAILED',
      `${user} may not ${use.level} ${use.path} on the system ${use.system.id}.`,
    );
  return fence;
}

/** Where a job may archive to. */
export interface ArchiveRoot {
  root: Root;
  /** The system does not belong to the job's owner: links that lead out of the root are removed there. */
  isForeign: boolean;
}

/**
 * The root of the archive directory. On another system than the execution system, it is fenced by the directory that was
 * granted to the job's owner, or to the grantor of a shared application.
 * @throws KilimError TRANSFER_FAILED where the job's owner may not write there
 */
export async function archiveRoot(deps: Deps, plan: JobPlan): Promise<ArchiveRoot> {
  const { rootDir, systemId } = plan.archive;
  const system = await deps.store.systems.find(plan.tenant, systemId);
  const isForeign = system?.owner !== plan.owner;
  if (!system || systemId === plan.exec.systemId) return { root: rootDir, isForeign };
  const isGrantors = plan.sharedAppCtxAttribs.includes('SAC_ARCHIVE_SYSTEM_DIR');
  const fence = await fenceFor(deps, plan, {
    system,
    path: plan.archiveSystemDir,
    level: 'MODIFY',
    grantor: isGrantors ? plan.sharedAppCtx : null,
  });
  return { root: fencedRoot(rootDir, fence), isForeign };
}
