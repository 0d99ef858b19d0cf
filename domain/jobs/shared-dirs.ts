import type { JobPlan } from './job-plan.js';
import { mayBeShared } from './ledger.js';

/** A directory as a job uses it. */
export interface UsedDir {
  /** The job's attribute. */
  role: 'execSystemExecDir' | 'execSystemInputDir' | 'execSystemOutputDir' | 'archiveSystemDir';
  systemId: string;
  /** As it stands in the plan. */
  dir: string;
}

export type Using = Pick<
  JobPlan,
  | 'uuid'
  | 'exec'
  | 'archive'
  | 'execSystemExecDir'
  | 'execSystemInputDir'
  | 'execSystemOutputDir'
  | 'archiveSystemDir'
>;

const usedDirs = (plan: Using): UsedDir[] => [
  ...(['execSystemExecDir', 'execSystemInputDir', 'execSystemOutputDir'] as const).map((role) => ({
    role,
    systemId: plan.exec.systemId,
    dir: plan[role],
  })),
  { role: 'archiveSystemDir', systemId: plan.archive.systemId, dir: plan.archiveSystemDir },
];

/** The directories that other jobs may be given as well: one with the job's uuid in its path is the job's own. */
export const chosenDirs = (plan: Using): UsedDir[] =>
  usedDirs(plan).filter(({ dir }) => mayBeShared(plan, dir));

/** The directories of a job that another job uses, for whatever purpose. */
export const sharedDirs = (plan: Using, other: Using): UsedDir[] => {
  const theirs = usedDirs(other);
  return chosenDirs(plan).filter(({ systemId, dir }) =>
    theirs.some((one) => one.systemId === systemId && one.dir === dir),
  );
};

/** Another job that has not ended, and the directories of this job that it uses. */
export interface Sharer {
  uuid: string;
  dirs: UsedDir[];
}

/** A sentence for the job's history. */
export const sharedInWords = ({ uuid, dirs }: Sharer): string =>
  `The job ${uuid}, which has not ended, uses the same directory: ` +
  `${dirs.map(({ role, systemId, dir }) => `${role} ${dir} on ${systemId}`).join(', ')}. ` +
  'A file that both jobs write under one name there is that of the job that wrote last.';
