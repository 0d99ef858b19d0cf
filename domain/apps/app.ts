import type { ArgSpec, KeyValue, RuntimeType } from '../systems/system.js';

/** One version of an application (specification: platform §4.1). `id owner enabled deleted` are shared by all versions. */
export interface App {
  tenant: string;
  id: string;
  version: string;
  uuid: string;
  owner: string;
  enabled: boolean;
  deleted: boolean;
  versionEnabled: boolean;
  locked: boolean;
  description: string | null;
  containerImage: string;
  runtime: RuntimeType;
  runtimeVersion: string | null;
  runtimeOptions: RuntimeOption[];
  jobType: 'FORK' | 'BATCH' | null;
  maxJobs: number;
  maxJobsPerUser: number;
  strictFileInputs: boolean;
  jobAttributes: JobAttributes;
  tags: string[];
  notes: Record<string, unknown>;
  created: string;
  updated: string;
}

export type RuntimeOption = 'NONE' | 'SINGULARITY_START' | 'SINGULARITY_RUN';
export type ArchiveMode = 'ALWAYS' | 'SKIP_ON_FAIL' | 'NEVER';

/** Defaults for the jobs of an application (platform §4.2). Null: no opinion. */
export interface JobAttributes {
  description: string | null;
  dynamicExecSystem: boolean;
  execSystemConstraints: string[];
  execSystemId: string | null;
  execSystemExecDir: string | null;
  execSystemInputDir: string | null;
  execSystemOutputDir: string | null;
  dtnSystemInputDir: string;
  dtnSystemOutputDir: string;
  execSystemLogicalQueue: string | null;
  archiveSystemId: string | null;
  archiveSystemDir: string | null;
  archiveOnAppError: boolean;
  archiveMode: ArchiveMode | null;
  isMpi: boolean;
  mpiCmd: string | null;
  cmdPrefix: string | null;
  parameterSet: AppParameterSet;
  fileInputs: AppFileInput[];
  fileInputArrays: AppFileInputArray[];
  nodeCount: number;
  coresPerNode: number;
  memoryMB: number;
  maxMinutes: number;
  subscriptions: Record<string, unknown>[];
  tags: string[];
}

export interface AppParameterSet {
  appArgs: ArgSpec[];
  containerArgs: ArgSpec[];
  schedulerOptions: ArgSpec[];
  envVariables: KeyValue[];
  archiveFilter: ArchiveFilter;
  logConfig: LogConfig;
}

export interface ArchiveFilter {
  includes: string[];
  excludes: string[];
  includeLaunchFiles: boolean;
}

export interface LogConfig {
  stdoutFilename: string;
  stderrFilename: string;
}

export interface AppFileInput {
  name: string;
  description?: string | null;
  inputMode?: 'OPTIONAL' | 'REQUIRED' | 'FIXED';
  autoMountLocal?: boolean;
  envKey?: string | null;
  notes?: Record<string, unknown>;
  sourceUrl?: string | null;
  targetPath?: string | null;
}

export interface AppFileInputArray {
  name: string;
  description?: string | null;
  inputMode?: 'OPTIONAL' | 'REQUIRED' | 'FIXED';
  envKey?: string | null;
  notes?: Record<string, unknown>;
  sourceUrls?: string[];
  targetDir?: string | null;
}

/** Kilim's own settings under `notes.kilim` of an application (design §3). */
export interface AppSettings {
  /** The application may be started again after a requeue: its second start is counted, not refused. */
  repeatable?: boolean;
}

export const settingsOfApp = (app: Pick<App, 'notes'>): AppSettings =>
  (app.notes['kilim'] as AppSettings | undefined) ?? {};
