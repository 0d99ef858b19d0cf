import type { App } from '../domain/apps/app.js';
import type { EnvVariable } from '../domain/jobs/job-plan.js';
import type { Job, JobEvent } from '../domain/jobs/job.js';
import { usageRecord } from '../domain/jobs/usage.js';
import { isTerminal } from '../domain/jobs/status.js';
import { isDynamic, type System } from '../domain/systems/system.js';
import type { AppHead, JobSummary, SystemHead } from '../store/store.js';

/** The job record as clients know it; four documents travel as strings (specification: jobs §1.8). */
export const jobRecord = (job: Job, env: EnvVariable[]): Record<string, unknown> => {
  const { plan } = job;
  return {
    id: job.id, name: plan.name, owner: plan.owner, tenant: plan.tenant, description: plan.description, status: job.status,
    condition: job.condition, lastMessage: job.lastMessage, created: job.created, ended: job.ended, lastUpdated: job.lastUpdated,
    uuid: job.uuid, appId: plan.appId, appVersion: plan.appVersion, archiveOnAppError: plan.archiveMode === 'ALWAYS',
    archiveMode: plan.archiveMode, dynamicExecSystem: plan.dynamicExecSystem, execSystemId: plan.exec.systemId,
    execSystemExecDir: plan.execSystemExecDir, execSystemInputDir: plan.execSystemInputDir, execSystemOutputDir: plan.execSystemOutputDir,
    execSystemLogicalQueue: plan.logicalQueue, archiveSystemId: plan.archive.systemId, archiveSystemDir: plan.archiveSystemDir,
    dtnSystemId: plan.dtn?.systemId ?? null, dtnSystemInputDir: plan.dtn?.inputDir ?? null, dtnSystemOutputDir: plan.dtn?.outputDir ?? null,
    nodeCount: plan.nodeCount, coresPerNode: plan.coresPerNode,
    memoryMB: plan.memoryMB, maxMinutes: plan.maxMinutes, fileInputs: JSON.stringify(plan.inputs),
    parameterSet: JSON.stringify({
      appArgs: plan.appArgs, containerArgs: plan.containerArgs, schedulerOptions: plan.schedulerOptions, envVariables: env,
      archiveFilter: plan.archiveFilter, logConfig: plan.logConfig,
    }),
    execSystemConstraints: plan.execSystemConstraints, subscriptions: JSON.stringify(plan.subscriptions), blockedCount: job.blockedCount,
    remoteJobId: job.remoteJobId, remoteJobId2: job.remoteJobId2, remoteOutcome: job.remoteOutcome, remoteResultInfo: job.remoteResultInfo,
    remoteQueue: job.remoteQueue, remoteSubmitted: job.remoteSubmitted, remoteStarted: job.remoteStarted, remoteEnded: job.remoteEnded,
    remoteSubmitRetries: job.remoteSubmitRetries, remoteChecksSuccess: job.remoteChecksSuccess, remoteChecksFailed: job.remoteChecksFailed,
    remoteLastStatusCheck: job.remoteLastStatusCheck, inputTransactionId: null, inputCorrelationId: null, archiveTransactionId: null,
    archiveCorrelationId: null, stageAppTransactionId: null, stageAppCorrelationId: null, dtnInputTransactionId: null,
    dtnInputCorrelationId: null, dtnOutputTransactionId: null, dtnOutputCorrelationId: null, tapisQueue: 'tapis.jobq.submit.DefaultQueue',
    visible: job.visible, createdby: plan.createdby, createdbyTenant: plan.createdbyTenant, tags: job.tags, jobType: plan.jobType,
    mpiCmd: plan.mpiCmd, cmdPrefix: plan.cmdPrefix, sharedAppCtx: plan.sharedAppCtx, sharedAppCtxAttribs: plan.sharedAppCtxAttribs,
    notes: job.notes, mpi: plan.isMpi, isMpi: plan.isMpi, kilimUsage: job.usage && usageRecord(job.usage, plan.nodeCount),
  }; // prettier-ignore
};

export const jobInList = (job: Job): JobSummary => ({
  uuid: job.uuid, name: job.plan.name, owner: job.owner, appId: job.plan.appId, created: job.created, status: job.status,
  condition: isTerminal(job.status) ? job.condition : null, remoteStarted: job.remoteStarted, ended: job.ended, tenant: job.tenant,
  execSystemId: job.plan.exec.systemId, archiveSystemId: job.plan.archive.systemId, appVersion: job.plan.appVersion, lastUpdated: job.lastUpdated,
}); // prettier-ignore

export const eventRecord = ({ event, created, eventDetail, description }: JobEvent): Record<string, unknown> => ({
  event, created, eventDetail, description, transferTaskUuid: null, transferSummary: {},
}); // prettier-ignore

/** `effectiveUserId` is shown as it is for the reader; secrets never (platform §3.1). */
export const systemRecord = (system: System | SystemHead, loginUser: string): Record<string, unknown> => ({
  ...system,
  effectiveUserId: loginUser,
  isDynamicEffectiveUser: isDynamic(system),
  authnCredential: null,
  isPublic: false,
  sharedWithUsers: [],
});

export const appRecord = (app: App | AppHead): Record<string, unknown> => ({
  ...app,
  isPublic: false,
  sharedWithUsers: [],
  sharedAppCtx: null,
});
