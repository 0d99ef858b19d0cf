import type { ArchiveFilter, ArchiveMode, LogConfig, RuntimeOption } from '../apps/app.js';
import type { RuntimeType } from '../systems/system.js';
import type { Keeper } from './keeper.js';

/**
 * Everything that was settled when the job was submitted: made once, stored with the row, never changed.
 * It holds ids and paths; no credential, no environment value (those are sealed beside it), no file list.
 * Directories as on the wire are relative to their system's rootDir; `paths` are absolute on the execution host.
 */
export interface JobPlan {
  uuid: string;
  tenant: string;
  owner: string;
  createdby: string;
  createdbyTenant: string;
  name: string;
  description: string;
  created: string;

  appId: string;
  appVersion: string;
  appOwner: string;
  jobType: 'FORK' | 'BATCH';
  runtime: RuntimeType;
  runtimeOptions: RuntimeOption[];
  containerImage: string;
  containerEngine: 'docker' | 'podman';
  containerEngineArgs: string[];
  keeper: Keeper;
  /** A second start of the application is allowed (declared by the app). */
  repeatable: boolean;

  exec: SystemUse;
  execSystemExecDir: string;
  execSystemInputDir: string;
  execSystemOutputDir: string;
  /** Absolute on the execution host: rootDir + directory. */
  paths: { rootDir: string; execDir: string; inputDir: string; outputDir: string };

  archive: SystemUse;
  archiveSystemDir: string;
  archiveMode: ArchiveMode;
  /** The archive is the output directory itself: nothing to move. */
  archivesInPlace: boolean;

  /** The transfer node that inputs, outputs or both go through; its directories are the same on the execution host. */
  dtn: (SystemUse & { inputDir: string | null; outputDir: string | null }) | null;

  logicalQueue: string | null;
  hpcQueue: string | null;
  nodeCount: number;
  coresPerNode: number;
  memoryMB: number;
  maxMinutes: number;
  isMpi: boolean;
  mpiCmd: string | null;
  cmdPrefix: string | null;
  /** `mpiCmd` or `cmdPrefix`, whichever goes in front of the run command; empty for none. */
  prefix: string;

  inputs: PlannedInput[];
  /** The resolved parameter set; environment values are sealed elsewhere, here are the names. */
  appArgs: PlannedArg[];
  containerArgs: PlannedArg[];
  schedulerOptions: PlannedArg[];
  envNames: string[];
  archiveFilter: ArchiveFilter;
  logConfig: LogConfig;
  /** From the scheduler profile: shell lines before the run, and directives that are left out. */
  moduleLoads: { moduleLoadCommand: string; modulesToLoad: string[] }[];
  hiddenOptions: ('MEM' | 'PARTITION')[];

  sharedAppCtx: string | null;
  sharedAppCtxAttribs: string[];
  /** Limits that were valid at submit; quotas are counted against the current definitions. */
  appMaxJobs: number;
  appMaxJobsPerUser: number;

  execSystemConstraints: string | null;
  dynamicExecSystem: boolean;
  subscriptions: Record<string, unknown>[];
  tags: string[];
  notes: Record<string, unknown>;
}

/** A system as one job uses it. `asUser` is whose rights and dynamic credentials count; the grantor in a shared context. */
export interface SystemUse {
  systemId: string;
  rootDir: string;
  host: string;
  port: number;
  loginUser: string;
  asUser: string;
  /**
   * True where all users of the system log in with the same credential. Plans of older releases lack it; their users
   * count as separate logins.
   */
  isStaticLogin?: boolean;
}

export interface PlannedArg {
  name: string | null;
  description: string | null;
  include: boolean | null;
  arg: string;
  notes: Record<string, unknown> | null;
}

export interface PlannedInput {
  name: string | null;
  description: string | null;
  envKey: string | null;
  autoMountLocal: boolean;
  /** `tapis://system/path`, `http(s)://…`, `tapislocal://exec.tapis/path`. */
  sourceUrl: string;
  /** Relative to the input directory, no leading slash. */
  targetPath: string;
  optional: boolean;
  /** The grantor whose rights open the source, in a shared application context. */
  srcSharedCtx: string | null;
  notes: Record<string, unknown> | null;
}

/** One environment variable of a job; values are sealed at rest. */
export interface EnvVariable {
  key: string;
  value: string;
  description: string | null;
  include: boolean | null;
  notes: Record<string, unknown> | null;
}

/** What planning gives: the plan for the row, and the environment that is sealed beside it. */
export interface PlannedJob {
  plan: JobPlan;
  env: EnvVariable[];
}
