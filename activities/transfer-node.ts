import { KilimError } from '../domain/errors.js';
import type { JobPlan, SystemUse } from '../domain/jobs/job-plan.js';
import type { Host } from '../hosts/host.js';
import { awaitFiles, countFiles } from '../hosts/move-tree.js';
import type { Root } from '../hosts/rooted.js';

/** Where a job's data lies on its way: the same directory on the transfer node and on the execution host. */
export interface NodeDir {
  use: SystemUse;
  /** Below rootDir. The job's own: others may use the same directory of the node. */
  dir: string;
}

/** The way in through a data transfer node; null where inputs go straight to the execution host (jobs §9.4). */
export const wayIn = ({ dtn, uuid }: JobPlan): NodeDir | null =>
  dtn && dtn.inputDir !== null ? { use: dtn, dir: `${dtn.inputDir}/${uuid}` } : null;

/** The way out (jobs §8). */
export const wayOut = ({ dtn, uuid }: JobPlan): NodeDir | null =>
  dtn && dtn.outputDir !== null ? { use: dtn, dir: `${dtn.outputDir}/${uuid}` } : null;

/** Other jobs can write beside a job's directory on the node, so it may not be a link, which could lead to their files. */
export const nodeRoot = (rootDir: string, dir: string): Root => ({
  rootDir,
  fences: [{ path: dir, own: 1 }],
});

interface Side {
  host: Host;
  /** Of the system. */
  id: string;
}

/**
 * Returns when one side shows all that the other one has in the directory.
 * @throws KilimError TRANSFER_FAILED where it does not; HOST_*
 */
export async function untilShown(
  what: 'inputs' | 'outputs',
  from: Side,
  to: Side,
  root: Root,
  dir: string,
  signal: AbortSignal,
): Promise<void> {
  const expected = await countFiles(from.host, root, dir, signal);
  await awaitFiles(to.host, root, dir, expected, signal).catch((error: unknown) => {
    if (!(error instanceof KilimError) || error.code !== 'PATH_NOT_FOUND') throw error;
    throw new KilimError(
      'TRANSFER_FAILED',
      `The ${what} are in ${dir} of ${from.id}, but ${to.id} does not show them there: both must have the same files below their rootDir.`,
    );
  });
}
