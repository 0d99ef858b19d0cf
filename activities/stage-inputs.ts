import { shownUrl } from '../domain/files/shown-url.js';
import type { JobPlan, PlannedInput, SystemUse } from '../domain/jobs/job-plan.js';
import { KilimError } from '../domain/errors.js';
import { archivePath } from '../runtimes/zip.js';
import { makeDirs, removePath } from '../hosts/change-files.js';
import { foundPath, foundPrefix } from '../hosts/found-path.js';
import { moveTree } from '../hosts/move-tree.js';
import { fencedRoot, type Root } from '../hosts/rooted.js';
import { copyTree, fetchHttp } from '../hosts/transfer.js';
import type { Deps } from './deps.js';
import type { Progress } from './progress.js';
import { systemOf } from './source-system.js';
import { nodeRoot, untilShown, wayIn, type NodeDir } from './transfer-node.js';

/**
 * Brings every input to the execution system, one after the other, where the job wants it through its transfer node;
 * `tapislocal` ones stay where they are.
 * Safe to repeat: a file that arrived is written again under a temporary name and renamed.
 * @throws KilimError HOST_*, DISK_FULL (recovered); TRANSFER_FAILED with the source in words
 */
export async function stageInputs(deps: Deps, uuid: string, progress: Progress): Promise<void> {
  const plan = await deps.store.jobs.getPlan(uuid);
  const inputs = inputsToStage(plan);
  if (inputs.length === 0) return;
  for (const input of inputs) await bring(deps, plan, input, progress);
  const node = wayIn(plan);
  if (node) await takeFromNode(deps, plan, node, progress);
  await deps.store.jobs.addEvent(uuid, 'JOB_INPUT_TRANSACTION_ID', 'COMPLETED', {
    transferStatus: 'COMPLETED',
    inputs: inputs.length,
  });
}

/** All that travels: `tapislocal` inputs are there already. */
export const inputsToStage = (plan: JobPlan): PlannedInput[] => [
  ...plan.inputs.filter(({ sourceUrl }) => !sourceUrl.startsWith('tapislocal:')),
  ...applicationArchive(plan),
];

/** A ZIP application that is given by a URL is fetched like an input, into the exec dir (jobs §6.7). */
const applicationArchive = (plan: JobPlan): PlannedInput[] => {
  if (plan.runtime !== 'ZIP' || plan.containerImage.startsWith('/')) return [];
  const target = archivePath(plan).slice(plan.paths.execDir.length + 1);
  const up = relative(plan.execSystemInputDir, plan.execSystemExecDir);
  return [
    {
      name: 'application', description: null, envKey: null, autoMountLocal: false, sourceUrl: plan.containerImage,
      targetPath: `${up}${target}`, optional: false, srcSharedCtx: plan.sharedAppCtx, notes: null,
    },
  ]; // prettier-ignore
};

/** Inputs are placed below rootDir, so a sibling directory is named from there: `//dir/` marks it. */
const relative = (inputDir: string, execDir: string): string => (inputDir === execDir ? '' : `//${execDir}/`);

/** The application itself goes to the exec dir, past the node where that is not the input directory. */
function destination(
  plan: JobPlan,
  { targetPath }: PlannedInput,
): { use: SystemUse; root: Root; toPath: string } {
  const { exec } = plan;
  if (targetPath.startsWith('//')) return { use: exec, root: exec.rootDir, toPath: targetPath };
  const node = wayIn(plan);
  if (!node) return { use: exec, root: exec.rootDir, toPath: `${plan.execSystemInputDir}/${targetPath}` };
  const { use, dir } = node;
  return { use, root: nodeRoot(use.rootDir, dir), toPath: `${dir}/${targetPath}` };
}

async function takeFromNode(
  deps: Deps,
  plan: JobPlan,
  { use, dir }: NodeDir,
  { signal }: Progress,
): Promise<void> {
  const root = nodeRoot(use.rootDir, dir);
  const from = { host: await deps.openHost(plan.tenant, use), id: use.systemId };
  const to = { host: await deps.openHost(plan.tenant, plan.exec), id: plan.exec.systemId };
  await makeDirs(from.host, root, [dir]); // a try before this one may have been through
  await untilShown('inputs', from, to, root, dir, signal);
  const into = { toRoot: plan.exec.rootDir, toPath: plan.execSystemInputDir };
  await moveTree({ host: to.host, fromRoot: root, fromPath: dir, ...into, signal });
  await removePath(to.host, root, dir);
}

async function bring(deps: Deps, plan: JobPlan, input: PlannedInput, progress: Progress): Promise<void> {
  const { use, root, toPath } = destination(plan, input);
  const common = {
    to: await deps.openHost(plan.tenant, use),
    toRoot: root,
    toPath,
    signal: progress.signal,
    onProgress: progress.report,
  };
  try {
    if (/^https?:/i.test(input.sourceUrl)) {
      await fetchHttp({ ...common, url: input.sourceUrl, allowPrivate: deps.allowPrivateFetch });
      return;
    }
    const source = await systemOf(deps, plan, input);
    const from = await deps.openHost(plan.tenant, source.use);
    const fromPath = await foundPath(from, source.use.rootDir, source.path);
    await copyTree({
      ...common,
      from,
      fromRoot: fencedRoot(source.use.rootDir, foundPrefix(fromPath, source.fence)),
      fromPath,
      sameHost: source.use.systemId === use.systemId,
    });
  } catch (error) {
    if (!(error instanceof KilimError)) throw error;
    const isMissing = error.code === 'PATH_NOT_FOUND';
    if (isMissing && input.optional) return;
    if (isMissing || error.code === 'REMOTE_COMMAND_FAILED' || error.code === 'TRANSFER_FAILED') {
      throw new KilimError(
        'TRANSFER_FAILED',
        `The input ${input.name ?? ''} ${shownUrl(input.sourceUrl)} could not be staged: ${error.message}`,
      );
    }
    throw error;
  }
}
