import { patternsOf } from '../domain/glob.js';
import { KilimError } from '../domain/errors.js';
import { withoutEndSlashes } from '../domain/files/path.js';
import type { Job } from '../domain/jobs/job.js';
import type { JobPlan } from '../domain/jobs/job-plan.js';
import { mayBeShared } from '../domain/jobs/ledger.js';
import { showStreams, streamsOf } from '../domain/jobs/streams.js';
import { quote } from '../domain/shell.js';
import { removePath } from '../hosts/change-files.js';
import type { Host } from '../hosts/host.js';
import { listNames } from '../hosts/list-files.js';
import { matchNames } from '../hosts/match-names.js';
import { moveTree } from '../hosts/move-tree.js';
import { copyTree, type Copied } from '../hosts/transfer.js';
import { archivePath, removesArchive } from '../runtimes/zip.js';
import type { Deps } from './deps.js';
import { openExecHost } from './exec-host.js';
import { archiveRoot } from './path-fence.js';
import type { Progress } from './progress.js';
import { nodeRoot, untilShown, wayOut, type NodeDir } from './transfer-node.js';

/**
 * Copies what the filters select, and the launch script, to the archive system (specification: jobs §8).
 * Safe to repeat: files are replaced. `tapisjob.env` is never archived: it holds secrets.
 * @throws KilimError HOST_*, DISK_FULL (recovered); ARCHIVING_FAILED
 */
export async function archiveOutputs(deps: Deps, uuid: string, progress: Progress): Promise<void> {
  const job = await deps.store.jobs.get(uuid);
  const { plan } = job;
  const host = await openExecHost(deps, job);
  await showOwn(host, job);
  try {
    const node = wayOut(plan);
    if (node && !plan.archivesInPlace) await throughNode(deps, plan, host, node, progress);
    else await straight(deps, plan, host, progress);
  } catch (error) {
    if (
      error instanceof KilimError &&
      [
        'NOT_AUTHORIZED',
        'PATH_NOT_FOUND',
        'PATH_INVALID',
        'REMOTE_ACCESS_DENIED',
        'TRANSFER_FAILED',
        'REMOTE_COMMAND_FAILED',
      ].includes(error.code)
    ) {
      throw new KilimError('ARCHIVING_FAILED', `The outputs could not be archived: ${error.message}`);
    }
    throw error;
  }
  if (plan.runtime === 'ZIP' && removesArchive(plan)) {
    await host.run({ line: `rm -f -- ${quote(archivePath(plan))}`, parse: () => undefined });
  }
}

async function straight(deps: Deps, plan: JobPlan, from: Host, { signal, report }: Progress): Promise<void> {
  const sameHost = plan.archive.systemId === plan.exec.systemId;
  const to = sameHost ? from : await deps.openHost(plan.tenant, plan.archive);
  const { root: toRoot, isForeign: dropsLinks } = await archiveRoot(deps, plan);
  const common = {
    from,
    fromRoot: plan.exec.rootDir,
    to,
    toRoot,
    sameHost,
    dropsLinks,
    signal,
    onProgress: report,
  };
  const filter = plan.archivesInPlace ? [] : await selected(from, plan);
  const where = { ...common, toPath: plan.archiveSystemDir };
  if (filter?.length !== 0) {
    const copied = await copyTree({
      ...common,
      fromPath: plan.execSystemOutputDir,
      toPath: plan.archiveSystemDir,
      ...(filter ? { filter } : {}),
    });
    await tellLeftOut(deps, plan, copied);
    if (await isShared(deps, plan)) await ownStreams(where, plan, filter);
  }
  const isThere = sameHost && plan.archiveSystemDir === plan.execSystemExecDir;
  if (plan.archiveFilter.includeLaunchFiles && !isThere) {
    const own = { fromPath: ledgerOf(plan, 'tapisjob.sh'), toPath: `${plan.archiveSystemDir}/tapisjob.sh` };
    if (!(await copyIfThere({ ...common, ...own })))
      await copyTree({ ...common, ...own, fromPath: `${plan.execSystemExecDir}/tapisjob.sh` });
  }
}

/** An older Kilim left the script in the exec dir alone. Where jobs share that directory, the script there may be of another job. */
const launchFolders = (plan: JobPlan): string[] => [
  ...(mayBeShared(plan, plan.execSystemExecDir) ? [] : [plan.execSystemExecDir]),
  `${plan.execSystemExecDir}/.kilim/${plan.uuid}`,
];

/** A file of the job's ledger, as the execution system knows it. */
const ledgerOf = ({ execSystemExecDir, uuid }: JobPlan, file: string): string =>
  `${execSystemExecDir}/.kilim/${uuid}/${file}`;

/** What an older Kilim launched has its files in the directories alone. */
async function copyIfThere(copy: Parameters<typeof copyTree>[0]): Promise<boolean> {
  try {
    await copyTree(copy);
    return true;
  } catch (error) {
    if (error instanceof KilimError && error.code === 'PATH_NOT_FOUND') return false;
    throw error;
  }
}

/** Whether another job may have written to the output directory while this job was there. */
const isShared = async ({ store }: Deps, plan: JobPlan): Promise<boolean> =>
  (await store.jobs.findWriter(plan, plan.created)) !== null;

/** While the outputs were copied, another job may have given the names of its own files to their directory. */
async function ownStreams(
  to: Omit<Parameters<typeof copyTree>[0], 'fromPath'>,
  plan: JobPlan,
  filter: string[] | null,
): Promise<void> {
  for (const { file, name } of streamsOf(plan)) {
    if (filter !== null && !filter.includes(name)) continue;
    const fromPath = ledgerOf(plan, file.slice(file.lastIndexOf('/') + 1));
    await copyIfThere({ ...to, fromPath, toPath: `${to.toPath}/${name}` });
  }
}

/**
 * Gives the outputs of the application their names in the output directory again, where another job may have taken them, or where the
 * wrapper was killed before it could.
 */
async function showOwn(host: Host, { plan, remoteOutcome }: Job): Promise<void> {
  if (remoteOutcome === 'FINISHED' && !mayBeShared(plan, plan.execSystemOutputDir)) return;
  await host.run({
    line: `${showStreams(plan, streamsOf(plan))}\nshow_streams`,
    parse: () => undefined,
  });
}

/** Moves the outputs to where the transfer node sees them, and lets that one send them (jobs §8). */
async function throughNode(
  deps: Deps,
  plan: JobPlan,
  host: Host,
  { use, dir }: NodeDir,
  { signal, report }: Progress,
): Promise<void> {
  const root = nodeRoot(use.rootDir, dir);
  const filter = await selected(host, plan);
  const toNode = { host, fromRoot: plan.exec.rootDir, toRoot: root, toPath: dir, signal };
  await moveTree({ ...toNode, fromPath: plan.execSystemOutputDir, ...(filter ? { filter } : {}) });
  if (plan.archiveFilter.includeLaunchFiles)
    for (const fromPath of launchFolders(plan))
      await moveTree({ ...toNode, fromPath, filter: ['tapisjob.sh'] });
  const from = await deps.openHost(plan.tenant, use);
  // what the node does not show yet would be missing in the archive, and removed afterwards
  const [exec, node] = [
    { host, id: plan.exec.systemId },
    { host: from, id: use.systemId },
  ];
  await untilShown('outputs', exec, node, root, dir, signal);
  const sameHost = plan.archive.systemId === use.systemId;
  const to = sameHost ? from : await deps.openHost(plan.tenant, plan.archive);
  const { root: toRoot, isForeign: dropsLinks } = await archiveRoot(deps, plan);
  const copied = await copyTree({
    from,
    fromRoot: root,
    fromPath: dir,
    to,
    toRoot,
    toPath: plan.archiveSystemDir,
    sameHost,
    dropsLinks,
    signal,
    onProgress: report,
  });
  await tellLeftOut(deps, plan, copied);
  await removePath(from, root, dir);
}

/** The history says what is not in the archive, and why. */
async function tellLeftOut(
  { store }: Deps,
  { uuid, exec, archive }: JobPlan,
  { leftOut, gone }: Copied,
): Promise<void> {
  if (gone)
    await tell(
      store,
      uuid,
      gone.count,
      `${gone.count} of the outputs that archiveFilter selects are not in the archive on ${archive.systemId}: they were removed ` +
        `on ${exec.systemId} before they could be copied. The first: ${gone.names}`,
    );
  if (leftOut)
    await tell(
      store,
      uuid,
      leftOut.count,
      `${leftOut.count} of the outputs did not stay in the archive on ${archive.systemId}: links that lead out of the directory ` +
        `that may be used there, and what is neither a file, a directory nor a link. The first: ${leftOut.names}`,
    );
}

async function tell(store: Deps['store'], uuid: string, leftOut: number, message: string): Promise<void> {
  await store.jobs.addEvent(uuid, 'JOB_ARCHIVE_TRANSACTION_ID', 'COMPLETED', {
    transferStatus: 'COMPLETED',
    leftOut,
    message,
  });
}

/** The files and links to archive, relative to the output directory; null for all of it. */
async function selected(host: Host, plan: JobPlan): Promise<string[] | null> {
  const { includes, excludes } = plan.archiveFilter;
  const keeps = launchFolder(plan);
  const archive = archiveFolder(plan);
  if (
    keeps === null &&
    archive === null &&
    excludes.length === 0 &&
    (includes.length === 0 || includes.includes('**/*'))
  )
    return null;
  if (excludes.includes('**/*')) return [];
  const names = await listNames(host, plan.exec.rootDir, plan.execSystemOutputDir);
  const wanted = await matchNames({
    names,
    patterns: patternsOf(plan.archiveFilter),
    tooLong: () => filterTooHeavy(names.length),
  });
  const isOurs = (path: string): boolean =>
    (keeps !== null && (path === `${keeps}tapisjob.env` || path.startsWith(`${keeps}.kilim/`))) ||
    (archive !== null && path.startsWith(archive));
  return wanted.filter((path) => !isOurs(path));
}

const filterTooHeavy = (count: number): KilimError =>
  new KilimError(
    'ARCHIVING_FAILED',
    `parameterSet.archiveFilter: to match it with the ${count} names of the output directory takes too long; use fewer or simpler entries`,
  );

/** Where the launch files are, below the output directory; null where they are not. */
const launchFolder = ({ paths: { execDir, outputDir } }: JobPlan): string | null => below(outputDir, execDir);

/** An archive that lies in the outputs is not copied into itself. */
const archiveFolder = (plan: JobPlan): string | null =>
  plan.archive.systemId === plan.exec.systemId
    ? below(plan.execSystemOutputDir, plan.archiveSystemDir)
    : null;

/** With a slash at its end; null where it is elsewhere. */
const below = (folder: string, path: string): string | null => {
  const [outer, inner] = [folder, path].map((text) => `${withoutEndSlashes(text)}/`) as [string, string];
  return inner.startsWith(outer) ? inner.slice(outer.length) : null;
};
