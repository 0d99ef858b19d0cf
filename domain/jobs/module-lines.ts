import { quote } from '../shell.js';
import type { JobPlan } from './job-plan.js';

/** Where sites define `module`; shells without start-up files do not know it yet. */
const DEFINITIONS =
  '/etc/profile.d/*lmod*.sh /etc/profile.d/*modules*.sh "$LMOD_PKG/init/bash" "$MODULESHOME/init/bash" /usr/share/lmod/lmod/init/bash /usr/share/modules/init/bash';

/** Loads the modules of the scheduler profile. A host without `module` must not fail the job (platform §9): it is skipped there. */
export const moduleLines = ({ moduleLoads }: Pick<JobPlan, 'moduleLoads'>): string[] => {
  const loads = moduleLoads.flatMap(({ moduleLoadCommand, modulesToLoad }) => {
    const command = moduleLoadCommand.split(/\s+/)[0] ?? '';
    const names = modulesToLoad.length === 0 ? [''] : modulesToLoad.map((name) => ` ${quote(name)}`);
    return names.map((name) => `command -v ${quote(command)} > /dev/null && ${moduleLoadCommand}${name}`);
  });
  if (loads.length === 0) return [];
  return [
    `for file in ${DEFINITIONS}; do command -v module > /dev/null && break; [ -r "$file" ] && . "$file" > /dev/null 2>&1; done`,
    ...loads,
  ];
};
