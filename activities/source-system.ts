import { KilimError } from '../domain/errors.js';
import { shownUrl } from '../domain/files/shown-url.js';
import { tapisUrl } from '../domain/files/tapis-url.js';
import type { JobPlan, PlannedInput, SystemUse } from '../domain/jobs/job-plan.js';
import { isDynamic } from '../domain/systems/system.js';
import { rootOn } from '../hosts/host-variable.js';
import type { Deps } from './deps.js';
import { fenceFor } from './path-fence.js';

/**
 * The system and path behind a `tapis://system/path` input, as the job's owner (or the sharing grantor) uses it; no link may
 * lead out of `fence`.
 * @throws KilimError TRANSFER_FAILED where there is no such system, or the path is not his to read
 */
export async function systemOf(
  deps: Deps,
  plan: JobPlan,
  input: PlannedInput,
): Promise<{ use: SystemUse; path: string; fence: string }> {
  const { store } = deps;
  const { systemId, path } = tapisUrl(input.sourceUrl) ?? { systemId: '', path: '' };
  if (systemId === plan.exec.systemId) return { use: plan.exec, path, fence: '' };
  const system = await store.systems.find(plan.tenant, systemId);
  if (!system || system.deleted)
    throw new KilimError(
      'TRANSFER_FAILED',
      `The system ${systemId} of the input ${shownUrl(input.sourceUrl)} is not known.`,
    );
  const fence = await fenceFor(deps, plan, { system, path, level: 'READ', grantor: input.srcSharedCtx });
  const asUser = plan.owner;
  const mapped = isDynamic(system)
    ? (await store.systems.getCredential(plan.tenant, systemId, 'dynamic', asUser))?.loginUser
    : null;
  const { rootDir, host, port } = system;
  const loginUser = isDynamic(system) ? (mapped ?? asUser) : system.effectiveUserId;
  const use = { systemId, rootDir, host, port, loginUser, asUser };
  if (!rootDir.includes('HOST_EVAL(')) return { path, fence, use };
  return {
    path,
    fence,
    use: { ...use, rootDir: await rootOn(await deps.openHost(plan.tenant, use), system) },
  };
}
