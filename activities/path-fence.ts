import { KilimError } from '../domain/errors.js';
import { fenceOf } from '../domain/files/path-rights.js';
import type { JobPlan } from '../domain/jobs/job-plan.js';
import type { System } from '../domain/systems/system.js';
import { refuseOutside } from '../hosts/files.js';
import type { Host } from '../hosts/host.js';
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

/**
 * Refuses an archive directory on another system that the job's owner may not write to, or that a link leads out of what
 * was granted to him.
 * @throws KilimError TRANSFER_FAILED, NOT_AUTHORIZED, HOST_*
 */
export async function refuseForeignArchive(deps: Deps, plan: JobPlan, to: Host): Promise<void> {
  if (plan.archive.systemId === plan.exec.systemId) return;
  const system = await deps.store.systems.find(plan.tenant, plan.archive.systemId);
  if (!system) return; // opening its host has said so
  const isGrantors = plan.sharedAppCtxAttribs.includes('SAC_ARCHIVE_SYSTEM_DIR');
  const fence = await fenceFor(deps, plan, {
    system,
    path: plan.archiveSystemDir,
    level: 'MODIFY',
    grantor: isGrantors ? plan.sharedAppCtx : null,
  });
  await refuseOutside(to, plan.archive.rootDir, fence, plan.archiveSystemDir);
}
