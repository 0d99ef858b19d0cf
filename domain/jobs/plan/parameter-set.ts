import { validateFilter } from '../../glob.js';
import { resolveMacros, type MacroValues } from '../../macros.js';
import { isTrustedProfile, loadFaults } from '../../systems/profile-rules.js';
import type { ArgSpec, LogicalQueue, SchedulerProfile } from '../../systems/system.js';
import type { JobPlan, PlannedArg } from '../job-plan.js';
import { mergeArgs } from './args.js';
import { hasTraversal, isDangerous, refuseDangerous, refuseDangerousName } from './characters.js';
import { filled, type Faults } from './faults.js';
import type { Named, PlanInput } from './plan-input.js';
import { MOST_BYTES_TOGETHER, refuseLargeArgs } from './sizes.js';

const PROFILE_OPTION = /^--tapis-profile(?:\s+|=)(\S+)\s*$/;
const PROFILE_ANY = /^--tapis-profile(?:[\s=]|$)/;
/** The name of the option that is added for the profile of the execution system. */
const OF_SYSTEM = 'synthetic_tapis_profile';
const ZIP_SAVE = '--tapis-zip-save';
const DEFAULT_LOG = 'tapisjob.out';
const FILTER = 'parameterSet.archiveFilter';

export type Arguments = Pick<
  JobPlan,
  'appArgs' | 'containerArgs' | 'schedulerOptions' | 'moduleLoads' | 'hiddenOptions'
>;

/** Merges, fills and checks the three argument lists (specification: jobs §2.7.1, §2.7.2). */
export function settleArguments(
  faults: Faults,
  input: PlanInput,
  queue: LogicalQueue | null,
  macros: MacroValues,
): Arguments {
  const fill = (name: 'appArgs' | 'containerArgs' | 'schedulerOptions', args: PlannedArg[]): PlannedArg[] =>
    fillAll(faults, `parameterSet.${name}`, args, macros);
  const set = input.request.parameterSet ?? {};
  const ours = input.app.jobAttributes.parameterSet;
  const appArgs = fill('appArgs', mergeArgs(faults, 'parameterSet.appArgs', ours.appArgs, set.appArgs ?? []));
  const containerArgs = fill(
    'containerArgs',
    mergeArgs(faults, 'parameterSet.containerArgs', ours.containerArgs, set.containerArgs ?? []),
  );
  const schedulerOptions = fill('schedulerOptions', mergeSchedulerOptions(faults, input, queue));
  refuseLargeArgs(faults, { 'parameterSet.appArgs': appArgs, 'parameterSet.containerArgs': containerArgs });
  for (const { arg } of appArgs) refuseDangerous(faults, 'parameterSet.appArgs', arg);
  for (const { arg } of containerArgs) refuseDangerousName(faults, 'parameterSet.containerArgs', arg);
  for (const { arg } of schedulerOptions) refuseDangerousName(faults, 'parameterSet.schedulerOptions', arg);
  checkZipSave(faults, input, containerArgs);
  const profile = settleProfile(faults, schedulerOptions, input);
  return {
    appArgs,
    containerArgs,
    schedulerOptions,
    moduleLoads: profile?.moduleLoads ?? [],
    hiddenOptions: profile?.hiddenOptions ?? [],
  };
}

/** All arguments of a list, with their macros replaced by values. */
function fillAll(faults: Faults, field: string, args: PlannedArg[], macros: MacroValues): PlannedArg[] {
  let length = 0;
  const all: PlannedArg[] = [];
  for (const one of args) {
    const arg = filled(faults, field, one.arg, macros);
    length += arg.length;
    if (length > MOST_BYTES_TOGETHER) {
      faults.add(
        field,
        null,
        `must have at most ${MOST_BYTES_TOGETHER} characters together, with the values of macros`,
      );
      return [];
    }
    all.push({ ...one, arg });
  }
  return all;
}

/** Options of the logical queue lie below the application's; the system's profile is added where none is named. */
function mergeSchedulerOptions(
  faults: Faults,
  { request, app, systems }: Named,
  queue: LogicalQueue | null,
): PlannedArg[] {
  const ours = app.jobAttributes.parameterSet.schedulerOptions;
  const names = new Set(ours.map(({ name }) => name));
  const ofQueue = (queue?.schedulerOptions ?? []).filter(({ name }) => !names.has(name));
  const below: ArgSpec[] = [...ofQueue, ...ours];
  const merged = mergeArgs(
    faults,
    'parameterSet.schedulerOptions',
    below,
    request.parameterSet?.schedulerOptions ?? [],
  );
  const { batchSchedulerProfile: ofSystem } = systems.exec;
  if (!ofSystem || merged.some(({ arg }) => PROFILE_ANY.test(arg.trim()))) return merged;
  const arg = `--tapis-profile ${ofSystem}`;
  return [...merged, { name: OF_SYSTEM, description: null, include: null, arg, notes: null }];
}

/** The scheduler profile that a job will use: of its options, else of the execution system. */
export function profileNameOf(faults: Faults, named: Named, queue: LogicalQueue | null): string | null {
  const options = mergeSchedulerOptions(faults, named, queue).map(
    ({ arg }) => PROFILE_OPTION.exec(arg.trim())?.[1],
  );
  return options.find(Boolean) ?? null;
}

function settleProfile(
  faults: Faults,
  options: readonly PlannedArg[],
  input: PlanInput,
): SchedulerProfile | null {
  const { profile } = input;
  const field = 'parameterSet.schedulerOptions';
  const asked = options.filter(({ arg }) => PROFILE_ANY.test(arg.trim()));
  if (asked.length > 1) faults.add(field, asked[1]?.arg.trim(), 'is a second --tapis-profile');
  const [first] = asked;
  if (first === undefined) return null;
  const option = first.arg.trim();
  const name = PROFILE_OPTION.exec(option)?.[1];
  if (!name) faults.add(field, option, 'must read --tapis-profile NAME');
  else if (profile?.name !== name) faults.add(field, option, 'names a scheduler profile that was not found');
  else checkProfile(faults, input, profile, first.name === OF_SYSTEM);
  return profile;
}

/**
 * Checks the owner and the text of a profile. Its text goes into the script of the job, so that it must be plain words
 * and come from an owner that the job can trust.
 */
function checkProfile(
  faults: Faults,
  { request, caller, systems: { exec }, isProfileOwnerAdmin = false }: PlanInput,
  profile: SchedulerProfile,
  isOfSystem: boolean,
): void {
  const field = isOfSystem ? `${exec.id}.batchSchedulerProfile` : 'parameterSet.schedulerOptions';
  const isOwn = !isOfSystem && profile.owner === (request.owner ?? caller.user);
  if (!isOwn && !isTrustedProfile(profile, isProfileOwnerAdmin, exec))
    faults.add(
      field,
      profile.name,
      `is a scheduler profile of ${profile.owner}; it must be of an administrator or of the owner of the system${isOfSystem ? '' : ', or your own'}`,
    );
  for (const fault of profile.moduleLoads.flatMap(loadFaults))
    faults.add(field, profile.name, `is a scheduler profile whose ${fault}`);
}

function checkZipSave(faults: Faults, { app }: Named, containerArgs: readonly PlannedArg[]): void {
  for (const { arg } of containerArgs) {
    const isSave = arg.trim() === ZIP_SAVE;
    if (app.runtime === 'ZIP' && !isSave)
      faults.add('parameterSet.containerArgs', arg, `is not known to a ZIP application; only ${ZIP_SAVE} is`);
    if (app.runtime !== 'ZIP' && isSave)
      faults.add(
        'parameterSet.containerArgs',
        arg,
        `is only for ZIP applications, and this one is ${app.runtime}`,
      );
  }
}

/** The filter of what is archived (jobs §2.7.4). */
export function settleFilter(
  faults: Faults,
  { request, app }: Named,
  macros: MacroValues,
): JobPlan['archiveFilter'] {
  const asked = request.parameterSet?.archiveFilter;
  // an application of an older release may have none
  const ours = app.jobAttributes.parameterSet.archiveFilter as
    Partial<JobPlan['archiveFilter']> | null | undefined;
  const both = (mine: string[] | null | undefined, theirs: string[] | null | undefined): string[] =>
    [...(mine ?? []), ...(theirs ?? [])].map((entry) => filled(faults, FILTER, entry, macros));
  const filter = {
    includes: both(asked?.includes, ours?.includes),
    excludes: both(asked?.excludes, ours?.excludes),
  };
  for (const { entry, fault } of validateFilter(filter)) faults.add(FILTER, entry, fault);
  return { ...filter, includeLaunchFiles: asked?.includeLaunchFiles ?? ours?.includeLaunchFiles ?? true };
}

/** The names of the log files, relative to the output directory (jobs §2.7.5); adds their macros. */
export function settleLogs(
  faults: Faults,
  { request, app }: Named,
  macros: Record<string, string>,
): JobPlan['logConfig'] {
  const field = 'parameterSet.logConfig';
  const ours = app.jobAttributes.parameterSet.logConfig as JobPlan['logConfig'] | null | undefined;
  const wanted = request.parameterSet?.logConfig ?? ours ?? { stdoutFilename: '', stderrFilename: '' };
  const { stdoutFilename: out, stderrFilename: err } = wanted;
  if (Boolean(out.trim()) !== Boolean(err.trim())) faults.add(field, wanted, 'needs both names or neither');
  const settle = (name: string, text: string): string =>
    faults.try(`${field}.${name}`, text, DEFAULT_LOG, () => logName(text.trim() || DEFAULT_LOG, macros));
  const logs = {
    stdoutFilename: settle('stdoutFilename', out),
    stderrFilename: settle('stderrFilename', err),
  };
  macros['StdoutFilename'] = logs.stdoutFilename;
  macros['StderrFilename'] = logs.stderrFilename;
  return logs;
}

function logName(text: string, macros: MacroValues): string {
  const name = resolveMacros(text, macros).replace(/\/{2,}/g, '/').replace(/^\//, ''); // prettier-ignore
  if (isDangerous(name)) throw new Error('contains a control character or one of & > < | ; `');
  if (hasTraversal(name)) throw new Error('may not contain ..');
  if (name === '' || name.endsWith('/')) throw new Error('names no file');
  return name;
}
