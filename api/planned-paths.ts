import { tapisUrl } from '../domain/files/tapis-url.js';
import type { JobPlan } from '../domain/jobs/job-plan.js';
import { pathFor } from './authorize.js';
import type { ApiDeps, Caller } from './deps.js';
import { refuseThisMachine } from './this-machine.js';

/**
 * What a job reads and writes on other systems than its execution system must be its owner's to use; what a shared
 * application names is its grantor's (specification: jobs §9.1, §11.3; platform §5.8). On the execution system whoever may
 * run jobs reaches what its login user does.
 * @throws KilimError SYSTEM_NOT_FOUND, NOT_AUTHORIZED
 */
export async function checkPlannedPaths(deps: ApiDeps, owner: Caller, plan: JobPlan): Promise<void> {
  const { store } = deps;
  const { exec, archive, sharedAppCtx } = plan;
  const someone = (grantor: string | null): Caller =>
    grantor === null ? owner : { tenant: plan.tenant, user: grantor, isAdmin: false };
  const sources = plan.inputs.map(({ sourceUrl, srcSharedCtx }) => ({ url: sourceUrl, by: srcSharedCtx }));
  if (plan.runtime === 'ZIP') sources.push({ url: plan.containerImage, by: sharedAppCtx });
  for (const { url, by } of sources) {
    const source = tapisUrl(url);
    if (!source || source.systemId === exec.systemId) continue;
    const { system } = await pathFor(store, someone(by), source.systemId, source.path, 'READ');
    await refuseThisMachine(deps, system, [owner.user]);
  }
  if (archive.systemId === exec.systemId || plan.archiveMode === 'NEVER') return;
  const isGrantors = plan.sharedAppCtxAttribs.includes('SAC_ARCHIVE_SYSTEM_DIR');
  const writer = someone(isGrantors ? sharedAppCtx : null);
  await pathFor(store, writer, archive.systemId, plan.archiveSystemDir, 'MODIFY');
}
