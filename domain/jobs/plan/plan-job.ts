import { compileFilter } from '../../glob.js';
import { replaceMacros, resolveMacros } from '../../macros.js';
import { settingsOfApp, type App } from '../../apps/app.js';
import { settingsOfSystem, type SchedulerProfile, type System } from '../../systems/system.js';
import type { EnvVariable, JobPlan, PlannedArg, PlannedJob, SystemUse } from '../job-plan.js';
import { KEEPER } from '../keeper.js';
import type { JobRequest } from '../request.js';
import { mergeArgs } from './args.js';
import { settleDirectories } from './directories.js';
import { mergeEnv } from './env.js';
import { checkText, Faults } from './faults.js';
import { mergeInputs } from './inputs.js';
import { groundMacros, tapisEnv } from './macro-values.js';

export interface PlanInput {
  uuid: string;
  /** ISO-8601 with microseconds. */
  now: string;
  caller: { tenant: string; user: string; isAdmin: boolean };
  request: JobRequest;
  app: App;
  /** The grantor, where the app came to its reader through a share. */
  sharedAppCtx: string | null;
  /** `archive` null: the execution system itself. */
  systems: { exec: System; archive: System | null };
  /** Login user by system id, resolved by the caller. */
  loginUsers: Readonly<Record<string, string>>;
  profile: SchedulerProfile | null;
  /** `<systemId>:<VAR>` → what the host says; see `hostEvalsNeeded`. */
  hostEvals: Readonly<Record<string, string | null>>;
}

/**
 * Settles every default, path and limit of a job (specification: jobs §2–§4). Pure.
 * @throws KilimError INVALID_REQUEST naming every fault, one a line
 */
export function planJob(input: PlanInput): PlannedJob {
  const { request, app, systems, caller } = input;
  const faults = new Faults();
  const attributes = app.jobAttributes;
  const exec = systems.exec;
  const archive = systems.archive ?? exec;
  const owner = request.owner ?? caller.user;
  if (owner !== caller.user && !caller.isAdmin)
    faults.add('owner', owner, 'may only be named by a tenant administrator');
  if (request.tenant && request.tenant !== caller.tenant)
    faults.add('tenant', request.tenant, `must be ${caller.tenant}`);
  if (request.dynamicExecSystem ?? attributes.dynamicExecSystem)
    faults.add('dynamicExecSystem', true, 'is not supported; name an execSystemId');

  const jobType = request.jobType ?? app.jobType ?? (exec.canRunBatch ? 'BATCH' : 'FORK');
  const keeper = KEEPER[app.runtime][jobType];
  if (!keeper) faults.add('jobType', jobType, `is not served for the runtime ${app.runtime}`);
  checkSystem(faults, exec, archive);

  const isMpi = request.isMpi ?? attributes.isMpi;
  const mpiCmd = request.mpiCmd ?? attributes.mpiCmd ?? exec.mpiCmd;
  const cmdPrefix = (request.cmdPrefix ?? attributes.cmdPrefix)?.trim() || null;
  checkPrefix(faults, { isMpi, mpiCmd, cmdPrefix }, exec);

  const counts = {
    nodeCount: positive(request.nodeCount, attributes.nodeCount, 1),
    coresPerNode: positive(request.coresPerNode, attributes.coresPerNode, 1),
    memoryMB: positive(request.memoryMB, attributes.memoryMB, 100),
    maxMinutes: positive(request.maxMinutes, attributes.maxMinutes, 10),
  };
  const archiveMode = request.archiveMode ?? (request.archiveOnAppError === false ? 'SKIP_ON_FAIL' : null)
    ?? (request.archiveOnAppError === true ? 'ALWAYS' : null) ?? attributes.archiveMode ?? (attributes.archiveOnAppError ? 'ALWAYS' : 'SKIP_ON_FAIL'); // prettier-ignore

  const execUse = useOf(exec, input.loginUsers, owner);
  const archiveUse = archive.id === exec.id ? execUse : useOf(archive, input.loginUsers, owner);
  const macros = groundMacros({
    input,
    owner,
    jobType,
    archiveMode,
    exec,
    archive,
    login: execUse.loginUser,
    counts,
  });
  const name = replaceMacros(request.name, macros);
  checkText(faults, 'name', name, 'control');
  macros['JobName'] = name;
  const dirs = settleDirectories(faults, input, macros, archive.id === exec.id);
  const logConfig = settleLogs(faults, input, macros);

  const fill = (args: PlannedArg[]): PlannedArg[] =>
    args.map((arg) => ({ ...arg, arg: replaceMacros(arg.arg, macros) }));
  const set = request.parameterSet ?? {};
  const ours = attributes.parameterSet;
  const inputs = mergeInputs(faults, app, request, input.sharedAppCtx);
  const filter = settleFilter(faults, input, macros);
  const env = [
    ...mergeEnv(faults, exec.jobEnvVariables, ours.envVariables, set.envVariables ?? []),
    ...inputEnv(inputs),
  ];
  const taken = new Set<string>();
  for (const { key } of env) {
    if (taken.has(key)) faults.add('fileInputs.envKey', key, 'is also an environment variable');
    taken.add(key);
  }
  const allEnv = [...env, ...tapisEnv(macros)].sort((a, b) =>
    a.key.toLowerCase().localeCompare(b.key.toLowerCase()),
  );

  const plan: JobPlan = {
    uuid: input.uuid,
    tenant: caller.tenant,
    owner,
    createdby: caller.user,
    createdbyTenant: caller.tenant,
    name,
    description: replaceMacros(
      request.description ??
        attributes.description ??
        `${app.id}-${app.version} submitted by ${owner}@${caller.tenant}`,
      macros,
    ),
    created: input.now,
    appId: app.id,
    appVersion: app.version,
    appOwner: app.owner,
    jobType,
    runtime: app.runtime,
    runtimeOptions: app.runtimeOptions,
    containerImage: app.containerImage,
    containerEngine: settingsOfSystem(exec).containerEngine ?? 'docker',
    containerEngineArgs: settingsOfSystem(exec).containerEngineArgs ?? [],
    keeper: keeper ?? 'process',
    repeatable: settingsOfApp(app).repeatable ?? false,
    exec: execUse,
    ...dirs.exec,
    paths: dirs.paths,
    archive: archiveUse,
    archiveSystemDir: dirs.archiveSystemDir,
    archiveMode,
    archivesInPlace: archive.id === exec.id && dirs.archiveSystemDir === dirs.exec.execSystemOutputDir,
    dtn: null,
    logicalQueue: null,
    hpcQueue: null,
    ...counts,
    isMpi,
    mpiCmd,
    cmdPrefix,
    prefix: (isMpi ? mpiCmd : cmdPrefix) ?? '',
    inputs,
    appArgs: fill(mergeArgs(faults, 'appArgs', ours.appArgs, set.appArgs ?? [])),
    containerArgs: fill(mergeArgs(faults, 'containerArgs', ours.containerArgs, set.containerArgs ?? [])),
    schedulerOptions: fill(
      mergeArgs(faults, 'schedulerOptions', ours.schedulerOptions, set.schedulerOptions ?? []),
    ),
    envNames: allEnv.map(({ key }) => key),
    archiveFilter: filter,
    logConfig,
    moduleLoads: input.profile?.moduleLoads ?? [],
    hiddenOptions: input.profile?.hiddenOptions ?? [],
    sharedAppCtx: input.sharedAppCtx,
    sharedAppCtxAttribs: [],
    appMaxJobs: app.maxJobs,
    appMaxJobsPerUser: app.maxJobsPerUser,
    execSystemConstraints: null,
    dynamicExecSystem: false,
    subscriptions: [...(request.subscriptions ?? []), ...attributes.subscriptions],
    tags: [...new Set([...(request.tags ?? []), ...attributes.tags])].sort(),
    notes: request.notes ?? app.notes,
  };
  faults.throwIfAny();
  return { plan, env: allEnv };
}

const positive = (asked: number | null | undefined, app: number, otherwise: number): number =>
  asked && asked > 0 ? asked : app > 0 ? app : otherwise;

export const useOf = (
  system: System,
  loginUsers: Readonly<Record<string, string>>,
  asUser: string,
): SystemUse => ({
  systemId: system.id,
  rootDir: system.rootDir,
  host: system.host,
  port: system.port,
  loginUser: loginUsers[system.id] ?? system.effectiveUserId,
  asUser,
});

function checkSystem(faults: Faults, exec: System, archive: System): void {
  if (!exec.canExec) faults.add('execSystemId', exec.id, 'cannot run jobs (canExec is false)');
  if (!exec.jobWorkingDir) faults.add('execSystemId', exec.id, 'has no jobWorkingDir');
  if (!exec.enabled) faults.add('execSystemId', exec.id, 'is not enabled');
  if (!archive.enabled) faults.add('archiveSystemId', archive.id, 'is not enabled');
  if (exec.systemType !== 'LINUX')
    faults.add('execSystemId', exec.id, `is of the type ${exec.systemType}, which cannot run jobs`);
  if (archive.systemType !== 'LINUX')
    faults.add(
      'archiveSystemId',
      archive.id,
      `is of the type ${archive.systemType}, which is not served yet`,
    );
}

function checkPrefix(
  faults: Faults,
  { isMpi, mpiCmd, cmdPrefix }: { isMpi: boolean; mpiCmd: string | null; cmdPrefix: string | null },
  exec: System,
): void {
  if (isMpi && !mpiCmd)
    faults.add('isMpi', true, 'needs an mpiCmd of the request, the application or the system');
  if (isMpi && cmdPrefix) faults.add('cmdPrefix', cmdPrefix, 'cannot be combined with isMpi');
  if (cmdPrefix && !exec.enableCmdPrefix)
    faults.add('cmdPrefix', cmdPrefix, `is not allowed on the system ${exec.id} (enableCmdPrefix)`);
  checkText(faults, 'mpiCmd', mpiCmd, 'dangerous');
}

function settleFilter(
  faults: Faults,
  { request, app }: PlanInput,
  macros: Record<string, string>,
): JobPlan['archiveFilter'] {
  const asked = request.parameterSet?.archiveFilter;
  const ours = app.jobAttributes.parameterSet.archiveFilter;
  const all = (mine: string[] | null | undefined, theirs: string[]): string[] =>
    [...(mine ?? []), ...theirs].map((entry) => replaceMacros(entry, macros));
  const filter = {
    includes: all(asked?.includes, ours.includes),
    excludes: all(asked?.excludes, ours.excludes),
  };
  for (const entry of [...filter.includes, ...filter.excludes]) {
    faults.try('parameterSet.archiveFilter', entry, null, () =>
      compileFilter({ includes: [entry], excludes: [] }),
    );
  }
  return { ...filter, includeLaunchFiles: asked?.includeLaunchFiles ?? ours.includeLaunchFiles };
}

function settleLogs(
  faults: Faults,
  { request, app }: PlanInput,
  macros: Record<string, string>,
): JobPlan['logConfig'] {
  const ours = app.jobAttributes.parameterSet.logConfig;
  const wanted =
    request.parameterSet?.logConfig ??
    (ours.stdoutFilename ? ours : { stdoutFilename: 'tapisjob.out', stderrFilename: 'tapisjob.out' });
  const settle = (field: string, text: string): string =>
    faults.try(field, text, 'tapisjob.out', () => {
      const name = resolveMacros(text, macros).replace(/^\/+/, '');
      checkText(faults, field, name, 'dangerous');
      if (name.split('/').includes('..')) throw new Error('may not contain ..');
      return name;
    });
  const logs = {
    stdoutFilename: settle('parameterSet.logConfig.stdoutFilename', wanted.stdoutFilename),
    stderrFilename: settle('parameterSet.logConfig.stderrFilename', wanted.stderrFilename),
  };
  macros['StdoutFilename'] = logs.stdoutFilename;
  macros['StderrFilename'] = logs.stderrFilename;
  return logs;
}

/** `envKey` of an input tells the application its target path (jobs §2.10). */
const inputEnv = (inputs: JobPlan['inputs']): EnvVariable[] =>
  inputs.flatMap(({ envKey, targetPath }) =>
    envKey ? [{ key: envKey, value: targetPath, description: null, include: null, notes: null }] : [],
  );
