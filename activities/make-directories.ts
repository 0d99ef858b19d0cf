import { makeDirs } from '../hosts/files.js';
import type { Deps } from './deps.js';
import { wayIn, wayOut } from './transfer-node.js';

/**
 * Makes the job's directories on the execution and archive systems and the transfer node (specification: jobs §4).
 * Safe to repeat: what exists is no error.
 * @throws KilimError HOST_*, DISK_FULL, SYSTEM_NOT_AVAILABLE (recovered); REMOTE_ACCESS_DENIED, PATH_INVALID
 */
export async function makeDirectories({ store, openHost }: Deps, uuid: string): Promise<void> {
  const plan = await store.jobs.getPlan(uuid);
  const host = await openHost(plan.tenant, plan.exec);
  const own = [plan.execSystemExecDir, plan.execSystemOutputDir, plan.execSystemInputDir];
  const isOneHost = plan.archive.systemId === plan.exec.systemId;
  await makeDirs(host, plan.exec.rootDir, [...new Set(isOneHost ? [...own, plan.archiveSystemDir] : own)]);
  const node = [wayIn(plan), wayOut(plan)].flatMap((way) => way?.dir ?? []);
  if (plan.dtn) await makeDirs(await openHost(plan.tenant, plan.dtn), plan.dtn.rootDir, node);
  if (!isOneHost && plan.archiveMode !== 'NEVER') {
    await makeDirs(await openHost(plan.tenant, plan.archive), plan.archive.rootDir, [plan.archiveSystemDir]);
  }
}
