import type { SchedulerProfile } from './system.js';

/** A program or function, then words; nothing in it means anything to a shell. */
export const MODULE_COMMAND = /^[A-Za-z_/][A-Za-z0-9_./-]*( +[A-Za-z0-9_./:=+@%-]+)*$/;
export const MODULE_COMMAND_RULE =
  'must be a command of plain words, as "module load": letters, digits and _ . / : = + @ % -';
/** As Lmod and Environment Modules have them, `gcc/12.2.0`; one that begins with - would be an option. */
export const MODULE_NAME = /^[A-Za-z0-9_][A-Za-z0-9_./:=+@%~-]*$/;
export const MODULE_NAME_RULE =
  'must be the name of a module: it begins with a letter, digit or _; then letters, digits and _ . / : = + @ % ~ -';

type Load = SchedulerProfile['moduleLoads'][number];

/** What a load of an older release may have against the rules. */
export const loadFaults = ({ moduleLoadCommand, modulesToLoad }: Load): string[] => [
  ...(MODULE_COMMAND.test(moduleLoadCommand) ? [] : [`moduleLoadCommand ${MODULE_COMMAND_RULE}`]),
  ...(modulesToLoad.every((module) => MODULE_NAME.test(module))
    ? []
    : [`an entry of modulesToLoad ${MODULE_NAME_RULE}`]),
];

/** Whose profiles a system can give to the jobs of others. A name that was given up may be taken by anybody, so the owner counts. */
export const isTrustedProfile = (
  { owner }: Pick<SchedulerProfile, 'owner'>,
  isOwnerAdmin: boolean,
  system: { owner: string },
): boolean => isOwnerAdmin || owner === system.owner;
