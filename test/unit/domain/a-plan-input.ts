import { KilimError } from '../../../domain/errors.js';
import type { App, AppParameterSet, JobAttributes } from '../../../domain/apps/app.js';
import { planJob, type PlanInput } from '../../../domain/jobs/plan/plan-job.js';
import type { JobRequest } from '../../../domain/jobs/request.js';
import type { LogicalQueue, System } from '../../../domain/systems/system.js';

export const UUID = '11111111-1111-4111-8111-111111111111-007';
export const NOW = '2026-04-26T18:44:55.544145Z';

export const aQueue = (given: Partial<LogicalQueue> = {}): LogicalQueue => ({
  name: 'normal', hpcQueueName: 'debug', maxJobs: 2147483647, maxJobsPerUser: 2147483647, minNodeCount: 1, maxNodeCount: 4,
  minCoresPerNode: 2, maxCoresPerNode: 8, minMemoryMB: 50, maxMemoryMB: 1000, minMinutes: 5, maxMinutes: 60, ...given,
}); // prettier-ignore

export const aSystem = (given: Partial<System> = {}): System => ({
  tenant: 'dev', id: 'vm', uuid: 'u', owner: 'olga', description: null, systemType: 'LINUX', host: 'vm.example.org', enabled: true,
  effectiveUserId: '${apiUserId}', defaultAuthnMethod: 'PKI_KEYS', bucketName: null, rootDir: '/home', port: 22, useProxy: false,
  proxyHost: null, proxyPort: -1, dtnSystemId: null, canExec: true, canRunBatch: false, enableCmdPrefix: false, allowChildren: false,
  parentId: null, mpiCmd: null, jobRuntimes: [{ runtimeType: 'DOCKER' }], jobWorkingDir: 'scratch', jobEnvVariables: [],
  jobMaxJobs: 2147483647, jobMaxJobsPerUser: 2147483647, batchScheduler: null, batchLogicalQueues: [],
  batchDefaultLogicalQueue: null, batchSchedulerProfile: null, jobCapabilities: [], tags: [], notes: {}, importRefId: null,
  deleted: false, created: NOW, updated: NOW, hostKey: null, ...given,
}); // prettier-ignore

export const aCluster = (given: Partial<System> = {}): System =>
  aSystem({
    id: 'hpc',
    canRunBatch: true,
    batchScheduler: 'SLURM',
    batchLogicalQueues: [aQueue()],
    batchDefaultLogicalQueue: 'normal',
    ...given,
  });

export const aParameterSet = (given: Partial<AppParameterSet> = {}): AppParameterSet => ({
  appArgs: [], containerArgs: [], schedulerOptions: [], envVariables: [],
  archiveFilter: { includes: [], excludes: [], includeLaunchFiles: true }, logConfig: { stdoutFilename: '', stderrFilename: '' }, ...given,
}); // prettier-ignore

export const attributes = (given: Partial<JobAttributes> = {}): JobAttributes => ({
  description: null, dynamicExecSystem: false, execSystemConstraints: [], execSystemId: 'vm', execSystemExecDir: null,
  execSystemInputDir: null, execSystemOutputDir: null, dtnSystemInputDir: '!tapis_not_set', dtnSystemOutputDir: '!tapis_not_set',
  execSystemLogicalQueue: null, archiveSystemId: null, archiveSystemDir: null, archiveOnAppError: true, archiveMode: null, isMpi: false,
  mpiCmd: null, cmdPrefix: null, parameterSet: aParameterSet(), fileInputs: [], fileInputArrays: [], nodeCount: 1, coresPerNode: 1,
  memoryMB: 100, maxMinutes: 10, subscriptions: [], tags: [], ...given,
}); // prettier-ignore

export const anApp = (given: Partial<App> = {}, jobAttributes: Partial<JobAttributes> = {}): App => ({
  tenant: 'dev', id: 'img', version: '0.1', uuid: 'a', owner: 'olga', enabled: true, deleted: false, versionEnabled: true, locked: false,
  description: null, containerImage: 'img:1', runtime: 'DOCKER', runtimeVersion: null, runtimeOptions: [], jobType: null,
  maxJobs: 2147483647, maxJobsPerUser: 2147483647, strictFileInputs: false, jobAttributes: attributes(jobAttributes), tags: [], notes: {},
  created: NOW, updated: NOW, ...given,
}); // prettier-ignore

export const aRequest = (given: Partial<JobRequest> = {}): JobRequest => ({
  name: 'my-job',
  appId: 'img',
  appVersion: '0.1',
  ...given,
});

export const anInput = (given: Partial<PlanInput> = {}): PlanInput => ({
  uuid: UUID, now: NOW, caller: { tenant: 'dev', user: 'alice', isAdmin: false }, request: aRequest(), app: anApp(),
  systems: { exec: aSystem(), archive: null }, loginUsers: { vm: 'al' }, profile: null, hostEvals: {}, ...given,
}); // prettier-ignore

/** The plan of a request, all else being usual. */
export const planOf = (request: Partial<JobRequest>, given: Partial<PlanInput> = {}) =>
  planJob(anInput({ ...given, request: aRequest(request) }));

/** The faults that planning names, one a line; empty where there are none. */
export function faultsOf(given: Partial<PlanInput>): string[] {
  try {
    planJob(anInput(given));
    return [];
  } catch (error) {
    if (!(error instanceof KilimError) || error.code !== 'INVALID_REQUEST') throw error;
    return error.message.split('\n');
  }
}
