import { quote } from '../shell.js';
import { loadFaults } from '../systems/profile-rules.js';
import type { JobPlan } from './job-plan.js';

/** Where sites define `module`; shells without start-up files do not know it yet. */
const DEFINITIONS =
  '/etc/profile.d/*lmod*.sh /etc/profile.d/*modules*.sh "$LMOD_PKG/init/bash" "$MODULESHOME/init/bash" /usr/share/lmod/lmod/init/bash /usr/share/modules/init/bash';

const LEFT_OUT =
  'echo "A module command of the scheduler profile was left out, because it is more than a command of plain words and names of modules." >&2';

/** Loads the modules of the scheduler profile. A host without `module` must not fail the job (platform §9): it is skipped there. */
export const moduleLines = ({ moduleLoads }: Pick<JobPlan, 'moduleLoads'>): string[] => {
  const loads = moduleLoads.flatMap((load) => {
    // a plan of an older release may hold text that the rules refuse today
    if (loadFaults(load).length > 0) return [LEFT_OUT];
    const [command = '', ...words] = load.moduleLoadCommand.split(/ +/);
    const call = `'${command}'`; // the shell takes a quoted word for no keyword
    const names = load.modulesToLoad.length === 0 ? [[]] : load.modulesToLoad.map((name) => [name]);
    return names.map(
      (name) => `command -v -- ${call} > /dev/null && ${[call, ...[...words, ...name].map(quote)].join(' ')}`,
    );
  });
  if (loads.length === 0) return [];
  return [
    `for file in ${DEFINITIONS}; do command -v module > /dev/null && break; [ -r "$file" ] && . "$file" > /dev/null 2>&1; done`,
    ...loads,
  ];
};
