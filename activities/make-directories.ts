import type { JobPlan } from '../domain/jobs/job-plan.js';
import { makeDirs } from '../hosts/change-files.js';
import type { Deps } from './deps.js';
import { archiveRoot } from './path-fence.js';
import { inputsToStage } from './stage-inputs.js';
import { wayIn, wayOut } from './transfer-node.js';

/**
 * Makes the job's directories on the execution and archive systems and the transfer node (specification: jobs §4).
 * Safe to repeat: what exists is no error.
 * @throws KilimError HOST_*, DISK_FULL, SYSTEM_NOT_AVAILABLE (recovered); REMOTE_ACCESS_DENIED, PATH_INVALID
 */
export async function makeDirectories(deps: Deps, uuid: string): Promise<void> {
  const { store, openHost } = deps;
  const plan = await store.jobs.getPlan(uuid);
  await makeDirs(await openHost(plan.tenant, plan.exec), plan.exec.rootDir, ownDirs(plan));
  const node = [wayIn(plan), wayOut(plan)].flatMap((way) => way?.dir ?? []);
  if (plan.dtn) await makeDirs(await openHost(plan.tenant, plan.dtn), plan.dtn.rootDir, node);
  if (archivesElsewhere(plan)) {
    const host = await openHost(plan.tenant, plan.archive);
    const { root } = await archiveRoot(deps, plan);
    await makeDirs(host, root, [plan.archiveSystemDir]);
  }
}

/** A small job, all on one host and without inputs, is spared the step: its staging makes the directories along. */
export const makesThemAlong = (plan: JobPlan): boolean =>
  inputsToStage(plan).length === 0 && plan.dtn === null && !archivesElsewhere(plan);

/** Those on the execution system; the files of a logConfig may lie deeper than the output directory. */
export const ownDirs = (plan: JobPlan): string[] => [
  ...new Set([
    plan.execSystemExecDir,
    plan.execSystemOutputDir,
    plan.execSystemInputDir,
    ...logDirs(plan),
    ...(isOneHost(plan) ? [plan.archiveSystemDir] : []),
  ]),
];

const logDirs = ({ logConfig, execSystemOutputDir }: JobPlan): string[] =>
  [logConfig.stdoutFilename, logConfig.stderrFilename].flatMap((name) => {
    const folder = name.slice(0, Math.max(0, name.lastIndexOf('/')));
    return folder === '' ? [] : [`${execSystemOutputDir}/${folder}`];
  });

const isOneHost = ({ archive, exec }: JobPlan): boolean => archive.systemId === exec.systemId;

const archivesElsewhere = (plan: JobPlan): boolean => !isOneHost(plan) && plan.archiveMode !== 'NEVER';
