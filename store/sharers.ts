import { createHash } from 'node:crypto';

import type { JobPlan } from '../domain/jobs/job-plan.js';
import { chosenDirs, sharedDirs, type UsedDir } from '../domain/jobs/shared-dirs.js';
import type { Db } from './database.js';
import type { JobStore } from './store.js';

/** A history names the newest; hundreds of jobs with one archive would fill one another's histories. */
const MOST = 3;
const JOB_ID = /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}-007/g;

const placeOf = ({ systemId, dir }: UsedDir): string =>
  createHash('sha256').update(`${systemId}\0${dir}`).digest('base64url');

/** By default a directory has the uuid of its job in the path: another job that is given it is looked for by that. */
const ownersOf = (dirs: readonly UsedDir[]): string[] => dirs.flatMap(({ dir }) => dir.match(JOB_ID) ?? []);

/** Written with the row of the job. */
export async function addSharedDirs(db: Db, plan: JobPlan): Promise<void> {
  const places = [...new Set(chosenDirs(plan).map(placeOf))];
  if (places.length === 0) return;
  const rows = places.map((place) => ({ tenant: plan.tenant, place, job_uuid: plan.uuid, ended: null }));
  await db.insertInto('shared_dirs').values(rows).execute();
}

/** Written with the end of the job. */
export async function endSharedDirs(db: Db, plan: JobPlan, ended: string): Promise<void> {
  if (chosenDirs(plan).length > 0)
    await db.updateTable('shared_dirs').set({ ended }).where('job_uuid', '=', plan.uuid).execute();
}

export const createSharers = (db: Db): Pick<JobStore, 'findSharers' | 'findWriter'> => {
  /** The jobs that were given one of these directories and have not ended, or ended after an instant; the newest first. */
  const jobsIn = (plan: JobPlan, dirs: readonly UsedDir[], since: string | null) =>
    db
      .selectFrom('shared_dirs as used')
      .innerJoin('jobs', 'jobs.uuid', 'used.job_uuid')
      .where('used.tenant', '=', plan.tenant)
      .where('used.place', 'in', dirs.map(placeOf))
      .where('used.job_uuid', '!=', plan.uuid)
      .where((eb) =>
        eb.or([eb('used.ended', 'is', null), ...(since === null ? [] : [eb('used.ended', '>', since)])]),
      )
      .orderBy('used.id', 'desc');
  /** The jobs whose own directories these are. */
  const ownersIn = (plan: JobPlan, dirs: readonly UsedDir[], since: string | null) =>
    db
      .selectFrom('jobs')
      .where('tenant', '=', plan.tenant)
      .where('uuid', 'in', ownersOf(dirs))
      .where('uuid', '!=', plan.uuid)
      .where((eb) => eb.or([eb('ended', 'is', null), ...(since === null ? [] : [eb('ended', '>', since)])]));
  return {
    async findSharers(plan) {
      const dirs = chosenDirs(plan);
      if (dirs.length === 0) return [];
      const rows = await jobsIn(plan, dirs, null)
        .select(['jobs.uuid', 'jobs.plan'])
        .limit(MOST * dirs.length) // a job with several of them has several rows
        .execute();
      if (ownersOf(dirs).length > 0)
        rows.push(...(await ownersIn(plan, dirs, null).select(['uuid', 'plan']).limit(MOST).execute()));
      const byUuid = new Map(rows.map((row) => [row.uuid, row.plan]));
      return [...byUuid]
        .map(([uuid, text]) => ({ uuid, dirs: sharedDirs(plan, JSON.parse(text) as JobPlan) }))
        .filter(({ dirs: shared }) => shared.length > 0)
        .slice(0, MOST);
    },
    async findWriter(plan, since) {
      const dirs = chosenDirs(plan).filter(({ role }) => role === 'execSystemOutputDir');
      if (dirs.length === 0) return null;
      const launched = await jobsIn(plan, dirs, since)
        .select('jobs.uuid')
        .where('jobs.launched_on', 'is not', null)
        .executeTakeFirst();
      if (launched || ownersOf(dirs).length === 0) return launched?.uuid ?? null;
      const owner = await ownersIn(plan, dirs, since)
        .select('uuid')
        .where('launched_on', 'is not', null)
        .executeTakeFirst();
      return owner?.uuid ?? null;
    },
  };
};
