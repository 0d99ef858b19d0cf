import type { ArchiveMode } from '../apps/app.js';

/** The body of a submission (specification: jobs §2.2, §2.3). Null and absent mean the same. */
export interface JobRequest {
  name: string;
  appId: string;
  appVersion: string;
  owner?: string | null;
  tenant?: string | null;
  description?: string | null;
  jobType?: 'FORK' | 'BATCH' | null;
  archiveOnAppError?: boolean | null;
  archiveMode?: ArchiveMode | null;
  dynamicExecSystem?: boolean | null;
  execSystemId?: string | null;
  execSystemExecDir?: string | null;
  execSystemInputDir?: string | null;
  execSystemOutputDir?: string | null;
  execSystemLogicalQueue?: string | null;
  archiveSystemId?: string | null;
  archiveSystemDir?: string | null;
  dtnSystemInputDir?: string | null;
  dtnSystemOutputDir?: string | null;
  nodeCount?: number | null;
  coresPerNode?: number | null;
  memoryMB?: number | null;
  maxMinutes?: number | null;
  fileInputs?: JobFileInput[] | null;
  fileInputArrays?: JobFileInputArray[] | null;
  parameterSet?: JobParameterSet | null;
  execSystemConstraints?: string[] | null;
  subscriptions?: Record<string, unknown>[] | null;
  tags?: string[] | null;
  isMpi?: boolean | null;
  mpiCmd?: string | null;
  cmdPrefix?: string | null;
  notes?: Record<string, unknown> | null;
}

export interface JobParameterSet {
  appArgs?: JobArgSpec[] | null;
  containerArgs?: JobArgSpec[] | null;
  schedulerOptions?: JobArgSpec[] | null;
  envVariables?: JobKeyValue[] | null;
  archiveFilter?: {
    includes?: string[] | null;
    excludes?: string[] | null;
    includeLaunchFiles?: boolean | null;
  } | null;
  logConfig?: { stdoutFilename: string; stderrFilename: string } | null;
}

/** `meta` of older tutorials was turned into `name` by the schema before it comes here. */
export interface JobArgSpec {
  name?: string | null;
  description?: string | null;
  include?: boolean | null;
  arg?: string | null;
  notes?: Record<string, unknown> | null;
}

export interface JobKeyValue {
  key: string;
  value?: string | null;
  description?: string | null;
  include?: boolean | null;
  notes?: Record<string, unknown> | null;
}

export interface JobFileInput {
  name?: string | null;
  description?: string | null;
  envKey?: string | null;
  autoMountLocal?: boolean | null;
  sourceUrl?: string | null;
  targetPath?: string | null;
  notes?: Record<string, unknown> | null;
}

export interface JobFileInputArray {
  name?: string | null;
  description?: string | null;
  envKey?: string | null;
  sourceUrls?: string[] | null;
  targetDir?: string | null;
  notes?: Record<string, unknown> | null;
}
