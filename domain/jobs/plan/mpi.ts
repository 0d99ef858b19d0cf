import { refuseControl, refuseDangerous } from './characters.js';
import type { Faults } from './faults.js';
import type { Named } from './plan-input.js';

export interface Prefix {
  isMpi: boolean;
  mpiCmd: string | null;
  cmdPrefix: string | null;
  /** What goes in front of the run command; empty for nothing. */
  prefix: string;
}

const orNull = (text: string | null | undefined): string | null => text?.trim() || null;

/** MPI and command prefix (specification: jobs §2.8). `cmdPrefix` may hold dangerous characters: the system must allow it. */
export function settlePrefix(faults: Faults, { request, app, systems: { exec } }: Named): Prefix {
  const ours = app.jobAttributes;
  const isMpi = request.isMpi ?? ours.isMpi;
  const mpiCmd = orNull(request.mpiCmd) ?? orNull(ours.mpiCmd) ?? orNull(exec.mpiCmd);
  const cmdPrefix = orNull(request.cmdPrefix ?? ours.cmdPrefix);
  if (isMpi && !mpiCmd)
    faults.add('isMpi', true, 'needs an mpiCmd of the request, the application or the system');
  if (isMpi && cmdPrefix) faults.add('cmdPrefix', cmdPrefix, 'cannot be combined with isMpi');
  if (cmdPrefix && !exec.enableCmdPrefix)
    faults.add('cmdPrefix', cmdPrefix, `is not allowed on the system ${exec.id} (enableCmdPrefix)`);
  if (isMpi || request.mpiCmd) refuseDangerous(faults, 'mpiCmd', mpiCmd);
  refuseControl(faults, 'cmdPrefix', cmdPrefix);
  return { isMpi, mpiCmd, cmdPrefix, prefix: (isMpi ? mpiCmd : cmdPrefix) ?? '' };
}
