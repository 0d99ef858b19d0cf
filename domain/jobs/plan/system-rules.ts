import { isDynamic, type System } from '../../systems/system.js';
import type { SystemUse } from '../job-plan.js';
import { hasControl, refuseDangerous } from './characters.js';
import { dtnDirs } from './directories.js';
import type { Faults } from './faults.js';
import type { PlanInput } from './plan-input.js';

/** What the chosen systems must be for a job (specification: jobs §2.5). */
export function checkSystems(
  faults: Faults,
  { systems: { exec, archive } }: Pick<PlanInput, 'systems'>,
): void {
  const field = 'execSystemId';
  if (!exec.enabled) faults.add(field, exec.id, 'is not enabled');
  if (!exec.canExec) faults.add(field, exec.id, 'cannot run jobs (canExec is false)');
  if (!exec.jobWorkingDir) faults.add(field, exec.id, 'has no jobWorkingDir');
  if (exec.jobRuntimes.length === 0) faults.add(field, exec.id, 'has no jobRuntimes');
  if (exec.systemType !== 'LINUX')
    faults.add(field, exec.id, `is of the type ${exec.systemType}, which cannot run jobs`);
  if (archive && !archive.enabled) faults.add('archiveSystemId', archive.id, 'is not enabled');
  if (archive && archive.systemType !== 'LINUX')
    faults.add(
      'archiveSystemId',
      archive.id,
      `is of the type ${archive.systemType}, which is not served yet`,
    );
  for (const system of archive ? [exec, archive] : [exec]) {
    refuseDangerous(faults, 'systemId', system.id);
    refuseDangerous(faults, `${system.id}.rootDir`, system.rootDir);
    refuseDangerous(faults, `${system.id}.bucketName`, system.bucketName);
  }
}

/** The transfer node of the execution system: used only where one of its directories is set. */
export function settleDtn(faults: Faults, input: PlanInput): System | null {
  const { exec, dtn } = input.systems;
  const { inputDir, outputDir } = dtnDirs(input);
  if ((inputDir ?? outputDir) === null || exec.dtnSystemId === null) return null;
  const field = 'dtnSystemId';
  if (exec.dtnSystemId === exec.id) faults.add(field, exec.id, 'may not be the execution system itself');
  else if (dtn?.id !== exec.dtnSystemId)
    faults.add(field, exec.dtnSystemId, 'is the transfer node of the job and was not found');
  else {
    if (!dtn.enabled) faults.add(field, dtn.id, 'is not enabled');
    if (dtn.rootDir !== exec.rootDir)
      faults.add(
        field,
        dtn.id,
        `has the rootDir ${dtn.rootDir}; it must be that of ${exec.id}, ${exec.rootDir}`,
      );
    return dtn;
  }
  return null;
}

/**
 * A system as the job uses it. With a grantor (the system is shared along with the application) his rights count, but
 * a dynamic system is always entered as the job's owner (jobs §11.3).
 */
export function useOf(
  faults: Faults,
  system: System,
  { loginUsers }: PlanInput,
  who: { owner: string; grantor: string | null },
): SystemUse {
  const loginUser = loginUsers[system.id] ?? (isDynamic(system) ? who.owner : system.effectiveUserId);
  refuseDangerous(faults, `${system.id}.effectiveUserId`, loginUser);
  if (hasControl(system.host)) faults.add(`${system.id}.host`, system.host, 'contains a control character');
  return {
    systemId: system.id,
    rootDir: system.rootDir,
    host: system.host,
    port: system.port,
    loginUser,
    asUser: who.grantor !== null && !isDynamic(system) ? who.grantor : who.owner,
    ...(isDynamic(system) ? {} : { isStaticLogin: true }),
  };
}
