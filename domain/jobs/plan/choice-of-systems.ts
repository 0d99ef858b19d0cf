import type { App } from '../../apps/app.js';
import { KilimError } from '../../errors.js';
import type { System } from '../../systems/system.js';
import type { JobRequest } from '../request.js';
import { dtnDirs } from './directories.js';
import { Faults } from './faults.js';
import { profileNameOf } from './parameter-set.js';
import { jobTypeOf } from './job-type.js';

/** What must be loaded before a job can be planned. */
export interface ChoiceOfSystems {
  execSystemId: string;
  /** Null: the execution system itself. */
  archiveSystemId: string | null;
  /** The `dtnSystemId` of the execution system, where it has one, must be loaded too. */
  dtnWanted: boolean;
  /** The scheduler profile that the job will use on this execution system. */
  profileName: (exec: System) => string | null;
}

/**
 * Which systems a request and its application name (specification: jobs §2.5).
 * @throws KilimError INVALID_REQUEST where no execution system is named
 */
export function choiceOfSystems(request: JobRequest, app: App): ChoiceOfSystems {
  const ours = app.jobAttributes;
  const execSystemId = request.execSystemId ?? ours.execSystemId;
  if (!execSystemId) {
    const isDynamic = request.dynamicExecSystem ?? ours.dynamicExecSystem;
    throw new KilimError(
      'INVALID_REQUEST',
      isDynamic
        ? 'dynamicExecSystem: true is not supported; name an execSystemId'
        : 'execSystemId: is named neither by the request nor by the application',
    );
  }
  const archiveSystemId = request.archiveSystemId ?? ours.archiveSystemId ?? execSystemId;
  const { inputDir, outputDir } = dtnDirs({ request, app });
  return {
    execSystemId,
    archiveSystemId: archiveSystemId === execSystemId ? null : archiveSystemId,
    dtnWanted: inputDir !== null || outputDir !== null,
    profileName: (exec) => {
      const isBatch = jobTypeOf({ request, app, systems: { exec } }) === 'BATCH';
      const name =
        request.execSystemLogicalQueue ?? ours.execSystemLogicalQueue ?? exec.batchDefaultLogicalQueue;
      const queue = isBatch ? (exec.batchLogicalQueues.find((one) => one.name === name) ?? null) : null;
      return profileNameOf(new Faults(), { request, app, systems: { exec, archive: null } }, queue);
    },
  };
}
