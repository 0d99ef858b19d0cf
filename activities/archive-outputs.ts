import { compileFilter } from '../domain/glob.js';
import { KilimError } from '../domain/errors.js';
import type { JobPlan } from '../domain/jobs/job-plan.js';
import { quote } from '../domain/shell.js';
import { listFiles } from '../hosts/files.js';
import type { Host } from '../hosts/host.js';
import { copyTree } from '../hosts/transfer.js';
import { archivePath, removesArchive } from '../runtimes/zip.js';
import type { Deps } from './deps.js';
import type { Progress } from './progress.js';

/**
 * Copies what the filters select, and the launch script, to the archive system (specification: jobs §8).
 * Safe to repeat: files are replaced. `tapisjob.env` is never archived: it holds secrets.
 * @throws KilimError HOST_*, DISK_FULL (recovered); ARCHIVING_FAILED
 */
export async function archiveOutputs(deps: Deps, uuid: string, { signal, report }: Progress): Promise<void> {
  const plan = await deps.store.jobs.getPlan(uuid);
  const from = await deps.openHost(plan.tenant, plan.exec);
  const sameHost = plan.archive.systemId === plan.exec.systemId;
  const to = sameHost ? from : await deps.openHost(plan.tenant, plan.archive);
  const common = {
    from,
    fromRoot: plan.exec.rootDir,
    to,
    toRoot: plan.archive.rootDir,
    sameHost,
    signal,
    onProgress: report,
  };
  try {
    if (!plan.archivesInPlace) {
      const filter = await selected(from, plan);
      if (filter?.length !== 0) {
        await copyTree({
          ...common,
          fromPath: plan.execSystemOutputDir,
          toPath: plan.archiveSystemDir,
          ...(filter ? { filter } : {}),
        });
      }
    }
    if (
      plan.archiveFilter.includeLaunchFiles &&
      !(sameHost && plan.archiveSystemDir === plan.execSystemExecDir)
    ) {
      await copyTree({
        ...common,
        fromPath: `${plan.execSystemExecDir}/tapisjob.sh`,
        toPath: `${plan.archiveSystemDir}/tapisjob.sh`,
      });
    }
  } catch (error) {
    if (
      error instanceof KilimError &&
      ['PATH_NOT_FOUND', 'TRANSFER_FAILED', 'REMOTE_COMMAND_FAILED'].includes(error.code)
    ) {
      throw new KilimError('ARCHIVING_FAILED', `The outputs could not be archived: ${error.message}`);
    }
    throw error;
  }
  if (plan.runtime === 'ZIP' && removesArchive(plan)) {
    await from.run({ line: `rm -f ${quote(archivePath(plan))}`, parse: () => undefined });
  }
}

/** The regular files to archive, relative to the output directory; null for all of it. */
async function selected(host: Host, plan: JobPlan): Promise<string[] | null> {
  const { includes, excludes } = plan.archiveFilter;
  if (excludes.length === 0 && (includes.length === 0 || includes.includes('**/*'))) return null;
  if (excludes.includes('**/*')) return [];
  const wanted = compileFilter(plan.archiveFilter);
  const all = await listFiles(host, plan.exec.rootDir, plan.execSystemOutputDir, {
    recurse: true,
    limit: 1_000_000,
    offset: 0,
  });
  const base = plan.execSystemOutputDir.replace(/^\/+|\/+$/g, '');
  return all
    .filter(({ type }) => type === 'file')
    .map(({ path }) => path.replace(/^\/+/, '').slice(base.length + 1))
    .filter(wanted);
}
