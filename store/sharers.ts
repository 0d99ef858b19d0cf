import { sql } from 'kysely';

import type { JobPlan } from '../domain/jobs/job-plan.js';
import { chosenDirs, sharedDirs } from '../domain/jobs/shared-dirs.js';
import type { Db } from './database.js';
import type { JobStore } from './store.js';

/** A history names some; more would only be a longer list. */
const MOST = 20;

/** The newest jobs first. The database compares texts, which is quick; what they mean is compared here. */
export const createSharers = (reader: Db): Pick<JobStore, 'findSharers'> => ({
  async findSharers(plan, since) {
    const dirs = [...new Set(chosenDirs(plan).map(({ dir }) => dir))];
    if (dirs.length === 0) return [];
    const systems = [...new Set([plan.exec.systemId, plan.archive.systemId])];
    const rows = await reader
      .selectFrom('jobs')
      .select(['uuid', 'plan', 'launched_on'])
      .where('tenant', '=', plan.tenant)
      .where('uuid', '!=', plan.uuid)
      .where((eb) => eb.or([eb('exec_system_id', 'in', systems), eb('archive_system_id', 'in', systems)]))
      .where((eb) => eb.or([eb('ended', 'is', null), ...(since === null ? [] : [eb('ended', '>', since)])]))
      .where((eb) => eb.or(dirs.map((dir) => sql<boolean>`plan like ${patternOf(dir)} escape '\\'`)))
      .orderBy('id', 'desc')
      .limit(MOST)
      .execute();
    return rows.flatMap((row) => {
      const shared = sharedDirs(plan, JSON.parse(row.plan) as JobPlan);
      return shared.length === 0
        ? []
        : [{ uuid: row.uuid, isLaunched: row.launched_on !== null, dirs: shared }];
    });
  },
});

/** Of a text in JSON, as a whole. */
const patternOf = (text: string): string => `%${JSON.stringify(text).replace(/[\\%_]/g, '\\$&')}%`;
