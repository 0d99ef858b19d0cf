import { KilimError } from '../domain/errors.js';
import type { JobPlan, PlannedInput, SystemUse } from '../domain/jobs/job-plan.js';
import { isDynamic } from '../domain/systems/system.js';
import type { Deps } from './deps.js';

/** The system and path behind a `tapis://system/path` input, as the job's owner (or the sharing grantor) uses it. */
export async function systemOf(
  { store }: Deps,
  plan: JobPlan,
  input: PlannedInput,
): Promise<{ use: SystemUse; path: string }> {
  const [, systemId = '', path = ''] = /^tapis:\/\/([^/]+)\/?(.*)$/s.exec(input.sourceUrl) ?? [];
  if (systemId === plan.exec.systemId) return { use: plan.exec, path };
  const system = await store.systems.find(plan.tenant, systemId);
  if (!system || system.deleted)
    throw new KilimError(
      'TRANSFER_FAILED',
      `The system ${systemId} of the input ${input.sourceUrl} is not known.`,
    );
  const asUser = plan.owner;
  const mapped = isDynamic(system)
    ? (await store.systems.getCredential(plan.tenant, systemId, 'dynamic', asUser))?.loginUser
    : null;
  return {
    path,
    use: {
      systemId,
      rootDir: system.rootDir,
      host: system.host,
      port: system.port,
      loginUser: isDynamic(system) ? (mapped ?? asUser) : system.effectiveUserId,
      asUser,
    },
  };
}
