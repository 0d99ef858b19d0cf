import type { SchedulerProfile } from './system.js';

/** A program or function, then words; no character of it has a meaning to a shell. */
export const MODULE_COMMAND = /^[A-Za-z_/][A-Za-z0-9_./-]*( +[A-Za-z0-9_./:=+@%-]+)*$/;
export const MODULE_COMMAND_RULE =
  'must be a command of plain words, as "module load": letters, digits and _ . / : = + @ % -';
/**
 * The name of a module of Lmod or Environment Modules, as `gcc/12.2.0`. It may not begin with -, which would make it an
 * option.
 */
export const MODULE_NAME = /^[A-Za-z0-9_][A-Za-z0-9_./:=+@%~-]*$/;
export const MODULE_NAME_RULE =
  'must be the name of a module: it begins with a letter, digit or _; then letters, digits and _ . / : = + @ % ~ -';

type Load = SchedulerProfile['moduleLoads'][number];

/** The rules that a module load breaks. A load that an older release stored may break some of them. */
export const loadFaults = ({ moduleLoadCommand, modulesToLoad }: Load): string[] => [
  ...(MODULE_COMMAND.test(moduleLoadCommand) ? [] : [`moduleLoadCommand ${MODULE_COMMAND_RULE}`]),
  ...(modulesToLoad.every((module) => MODULE_NAME.test(module))
    ? []
    : [`an entry of modulesToLoad ${MODULE_NAME_RULE}`]),
];

/**
 * Whether a system may give a profile to the jobs of all its users. The owner of the profile decides, not its name: when a
 * profile is deleted, every user may register its name again.
 */
export const isTrustedProfile = (
  { owner }: Pick<SchedulerProfile, 'owner'>,
  isOwnerAdmin: boolean,
  system: { owner: string },
): boolean => isOwnerAdmin || owner === system.owner;
