import { settingsOfApp, type ArchiveMode } from '../../apps/app.js';
import { settingsOfSystem, type LogicalQueue, type System } from '../../systems/system.js';
import type { JobPlan, PlannedJob, SystemUse } from '../job-plan.js';
import { refuseControl, refuseDangerous } from './characters.js';
import { settleDirectories, settleDtnDirectories, settleRoots, type Directories } from './directories.js';
import { completeEnv, mergeEnv } from './env.js';
import { Faults, filled } from './faults.js';
import { settleInputs } from './input-targets.js';
import { mergeInputs } from './inputs.js';
import { settleJobType } from './job-type.js';
import { groundMacros, tapisEnv } from './macro-values.js';
import { settlePrefix, type Prefix } from './mpi.js';
import { settleArguments, settleFilter, settleLogs } from './parameter-set.js';
import { grantorOf, type Counts, type PlanInput } from './plan-input.js';
import { settleQueue } from './queue.js';
import { sharedAttributes, type SharedAttribute } from './shared-context.js';
import { checkSystems, settleDtn, useOf } from './system-rules.js';

export type { PlanInput } from './plan-input.js';

/**
 * Settles every default, path and limit of a job (specification: jobs §2–§4). Pure. What a runtime or scheduler thinks
 * of its options is asked elsewhere.
 * @throws KilimError INVALID_REQUEST naming every fault, one a line
 */
export function planJob(given: PlanInput): PlannedJob {
  const faults = new Faults();
  const settled = settle(faults, given);
  const { input, macros, grantor } = settled;
  const { request, app, systems } = input;
  const name = filled(faults, 'name', request.name, macros);
  refuseControl(faults, 'name', name);
  macros['JobName'] = name;
  const dirs = settleDirectories(faults, input, macros);
  const logConfig = settleLogs(faults, input, macros);
  const dtn = settleDtnDirectories(faults, input, settled.dtn, macros);

  const args = settleArguments(faults, input, settled.queue, macros);
  const archiveFilter = settleFilter(faults, input, macros);
  const values = { hostEvals: input.hostEvals, macros };
  const inputs = settleInputs(faults, mergeInputs(faults, app, request), {
    exec: systems.exec,
    values,
    grantor,
  });
  const own = mergeEnv(faults, {
    system: systems.exec.jobEnvVariables,
    app: app.jobAttributes.parameterSet.envVariables,
    request: request.parameterSet?.envVariables ?? [],
  });
  const env = completeEnv(faults, own, inputs.env, tapisEnv(macros));
  const description = filled(faults, 'description', descriptionOf(settled), macros);
  faults.throwIfAny();
  const plan: JobPlan = {
    ...identity(settled, name, description),
    ...whatRuns(settled),
    ...whereIt(settled, dirs),
    ...args,
    dtn,
    inputs: inputs.inputs,
    envNames: env.map(({ key }) => key),
    archiveFilter,
    logConfig,
    ...extras(settled),
  };
  return { plan, env };
}

/** What does not depend on a path. */
interface Settled {
  input: PlanInput;
  owner: string;
  grantor: string | null;
  shared: SharedAttribute[];
  jobType: Pick<JobPlan, 'jobType' | 'keeper'>;
  prefix: Prefix;
  counts: Counts;
  queue: LogicalQueue | null;
  archiveMode: ArchiveMode;
  exec: SystemUse;
  archive: SystemUse;
  dtn: SystemUse | null;
  macros: Record<string, string>;
}

function settle(faults: Faults, given: PlanInput): Settled {
  const owner = checkCaller(faults, given);
  const rooted = { ...given, systems: settleRoots(faults, given) };
  checkSystems(faults, rooted);
  const dtn = settleDtn(faults, rooted);
  const archive: System | null =
    rooted.systems.archive?.id === rooted.systems.exec.id ? null : rooted.systems.archive;
  const input = { ...rooted, systems: { ...rooted.systems, archive, dtn } };
  const { exec } = input.systems;
  const grantor = grantorOf(input);
  const shared = sharedAttributes(grantor, input);
  const use = (system: System, attribute: SharedAttribute): SystemUse =>
    useOf(faults, system, input, { owner, grantor: shared.includes(attribute) ? grantor : null });
  const jobType = settleJobType(faults, input);
  const counts = settleCounts(input);
  const queue = settleQueue(faults, input, jobType.jobType, counts);
  const archiveMode = archiveModeOf(input);
  const execUse = use(exec, 'SAC_EXEC_SYSTEM_ID');
  const ground = { input, owner, archiveMode, exec, archive: archive ?? exec, dtn, queue, counts };
  return {
    input,
    owner,
    grantor,
    shared,
    jobType,
    prefix: settlePrefix(faults, input),
    counts,
    queue,
    archiveMode,
    exec: execUse,
    archive: use(archive ?? exec, 'SAC_ARCHIVE_SYSTEM_ID'),
    dtn: dtn && use(dtn, 'SAC_DTN_SYSTEM_ID'),
    macros: groundMacros({ ...ground, loginUser: execUse.loginUser }),
  };
}

/** Who the job belongs to, and the application (jobs §2.1, §11.1). @returns the owner */
function checkCaller(faults: Faults, { request, app, caller }: PlanInput): string {
  const owner = request.owner ?? caller.user;
  if (owner !== caller.user && !caller.isAdmin)
    faults.add('owner', owner, 'may only be named by a tenant administrator');
  if (request.tenant && request.tenant !== caller.tenant)
    faults.add('tenant', request.tenant, `must be ${caller.tenant}`);
  if (request.dynamicExecSystem ?? app.jobAttributes.dynamicExecSystem)
    faults.add('dynamicExecSystem', true, 'is not supported; name an execSystemId');
  if (!app.enabled || !app.versionEnabled) faults.add('appId', `${app.id} ${app.version}`, 'is not enabled');
  refuseDangerous(faults, 'owner', owner);
  refuseDangerous(faults, 'tenant', caller.tenant);
  refuseDangerous(faults, 'appId', app.id);
  refuseDangerous(faults, 'appVersion', app.version);
  return owner;
}

function settleCounts({ request, app }: PlanInput): Counts {
  const ours = app.jobAttributes;
  const positive = (asked: number | null | undefined, app: number, otherwise: number): number =>
    asked && asked > 0 ? asked : app > 0 ? app : otherwise;
  return {
    nodeCount: positive(request.nodeCount, ours.nodeCount, 1),
    coresPerNode: positive(request.coresPerNode, ours.coresPerNode, 1),
    memoryMB: positive(request.memoryMB, ours.memoryMB, 100),
    maxMinutes: positive(request.maxMinutes, ours.maxMinutes, 10),
  };
}

/** The newer `archiveMode` wins over `archiveOnAppError` where both are given; the request over the application. */
function archiveModeOf({ request, app }: PlanInput): ArchiveMode {
  const ofFlag = (flag: boolean | null | undefined): ArchiveMode | null =>
    flag === true ? 'ALWAYS' : flag === false ? 'SKIP_ON_FAIL' : null;
  const ours = app.jobAttributes;
  return (
    request.archiveMode ??
    ofFlag(request.archiveOnAppError) ??
    ours.archiveMode ??
    ofFlag(ours.archiveOnAppError) ??
    'ALWAYS'
  );
}

const descriptionOf = ({ input: { request, app, caller }, owner }: Settled): string =>
  request.description ??
  app.jobAttributes.description ??
  `${app.id}-${app.version} submitted by ${owner}@${caller.tenant}`;

const identity = ({ input, owner }: Settled, name: string, description: string) => ({
  uuid: input.uuid,
  tenant: input.caller.tenant,
  owner,
  createdby: input.caller.user,
  createdbyTenant: input.caller.tenant,
  name,
  description,
  created: input.now,
});

const whatRuns = ({ input: { app, systems }, jobType, counts, queue, prefix }: Settled) => ({
  appId: app.id,
  appVersion: app.version,
  appOwner: app.owner,
  ...jobType,
  runtime: app.runtime,
  runtimeOptions:
    app.runtime === 'SINGULARITY' && !app.runtimeOptions.includes('SINGULARITY_START')
      ? (['SINGULARITY_RUN'] satisfies JobPlan['runtimeOptions'])
      : app.runtimeOptions,
  containerImage: app.containerImage,
  containerEngine: settingsOfSystem(systems.exec).containerEngine ?? ('docker' as const),
  containerEngineArgs: settingsOfSystem(systems.exec).containerEngineArgs ?? [],
  repeatable: settingsOfApp(app).repeatable ?? false,
  logicalQueue: queue?.name ?? null,
  hpcQueue: queue?.hpcQueueName ?? null,
  ...counts,
  ...prefix,
});

const whereIt = ({ exec, archive, archiveMode }: Settled, dirs: Directories) => ({
  exec,
  archive,
  archiveMode,
  ...dirs,
  archivesInPlace: archive.systemId === exec.systemId && dirs.archiveSystemDir === dirs.execSystemOutputDir,
});

const extras = ({ input: { request, app }, grantor, shared }: Settled) => ({
  sharedAppCtx: grantor,
  sharedAppCtxAttribs: shared,
  appMaxJobs: app.maxJobs,
  appMaxJobsPerUser: app.maxJobsPerUser,
  execSystemConstraints: constraintsOf(
    request.execSystemConstraints,
    app.jobAttributes.execSystemConstraints,
  ),
  dynamicExecSystem: false,
  subscriptions: [...(request.subscriptions ?? []), ...app.jobAttributes.subscriptions.map(asOfJob)],
  tags: [...new Set([...(request.tags ?? []), ...app.jobAttributes.tags])].sort(),
  notes: request.notes ?? app.notes,
});

/** Applications name the category of events otherwise than jobs. */
const asOfJob = ({
  jobEventCategoryFilter: category,
  ...subscription
}: Record<string, unknown>): Record<string, unknown> =>
  category === undefined ? subscription : { ...subscription, eventCategoryFilter: category };

/** Kept on the record only (jobs §2.6). */
function constraintsOf(asked: readonly string[] | null | undefined, ours: readonly string[]): string | null {
  const [mine, theirs] = [asked ?? [], ours].map((lines) => lines.join(' ').trim());
  if (mine && theirs) return `(${mine}) AND (${theirs})`;
  return mine || theirs || null;
}
