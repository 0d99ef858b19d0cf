/** A host or object store and how to reach it (specification: platform §3.1). Plain data as stored. */
export interface System {
  tenant: string;
  id: string;
  uuid: string;
  owner: string;
  description: string | null;
  systemType: SystemType;
  host: string;
  enabled: boolean;
  /** As defined: a login name, or `${apiUserId}` for "whoever asks" (dynamic). `${owner}` is resolved at create. */
  effectiveUserId: string;
  defaultAuthnMethod: AuthnMethod;
  bucketName: string | null;
  /** Absolute, normalised; may be `HOST_EVAL($VAR)…` for LINUX, resolved on the host. */
  rootDir: string;
  /** -1 where unset; LINUX then means 22. */
  port: number;
  useProxy: boolean;
  proxyHost: string | null;
  proxyPort: number;
  dtnSystemId: string | null;
  canExec: boolean;
  canRunBatch: boolean;
  enableCmdPrefix: boolean;
  allowChildren: boolean;
  parentId: string | null;
  mpiCmd: string | null;
  jobRuntimes: { runtimeType: RuntimeType; version?: string | null }[];
  /** Relative to rootDir; may hold macros and HOST_EVAL. */
  jobWorkingDir: string | null;
  jobEnvVariables: KeyValue[];
  jobMaxJobs: number;
  jobMaxJobsPerUser: number;
  batchScheduler: BatchScheduler | null;
  batchLogicalQueues: LogicalQueue[];
  batchDefaultLogicalQueue: string | null;
  batchSchedulerProfile: string | null;
  jobCapabilities: Capability[];
  tags: string[];
  notes: Record<string, unknown>;
  importRefId: string | null;
  deleted: boolean;
  created: string;
  updated: string;
  /** Pinned at the first connection, `SHA256:…`; a changed key is refused until the owner accepts it. */
  hostKey: string | null;
}

export type SystemType = 'LINUX' | 'S3' | 'IRODS' | 'GLOBUS';
export type AuthnMethod = 'PASSWORD' | 'PKI_KEYS' | 'ACCESS_KEY' | 'TOKEN' | 'CERT' | 'TMS_KEYS';
export type RuntimeType = 'DOCKER' | 'SINGULARITY' | 'ZIP';
export type BatchScheduler = 'SLURM' | 'CONDOR' | 'PBS' | 'SGE' | 'UGE' | 'TORQUE';
export type InputMode = 'REQUIRED' | 'FIXED' | 'INCLUDE_ON_DEMAND' | 'INCLUDE_BY_DEFAULT';

/** An unset variable or directory carries this word (platform §3.2). */
export const NOT_SET = '!tapis_not_set';
/** "No limit" on the wire. */
export const UNLIMITED = 2147483647;

export interface KeyValue {
  key: string;
  value: string;
  description?: string | null;
  inputMode?: InputMode;
  notes?: Record<string, unknown>;
}

export interface LogicalQueue {
  name: string;
  hpcQueueName: string;
  description?: string | null;
  maxJobs: number;
  maxJobsPerUser: number;
  minNodeCount: number;
  maxNodeCount: number;
  minCoresPerNode: number;
  maxCoresPerNode: number;
  minMemoryMB: number;
  maxMemoryMB: number;
  minMinutes: number;
  maxMinutes: number;
  schedulerOptions?: ArgSpec[];
}

export interface Capability {
  category: string;
  subcategory?: string | null;
  name: string;
  datatype: string;
  precedence: number;
  value?: string | null;
}

/** An argument as an application or queue defines it (platform §4.3). */
export interface ArgSpec {
  name: string;
  description?: string | null;
  inputMode?: InputMode;
  arg?: string | null;
  notes?: Record<string, unknown>;
}

/** A named way to prepare batch jobs at a site (platform §3.7). */
export interface SchedulerProfile {
  tenant: string;
  name: string;
  uuid: string;
  description: string | null;
  owner: string;
  moduleLoads: { moduleLoadCommand: string; modulesToLoad: string[] }[];
  hiddenOptions: ('MEM' | 'PARTITION')[];
  created: string;
  updated: string;
}

/** What logs a user in on a host; write-only for users (platform §3.3). Never part of a plan, log or payload. */
export interface Credential {
  loginUser?: string | null;
  password?: string | null;
  privateKey?: string | null;
  publicKey?: string | null;
  accessKey?: string | null;
  accessSecret?: string | null;
  accessToken?: string | null;
  refreshToken?: string | null;
  certificate?: string | null;
}

/** A credential as the store keeps it, with the address that its system had when it was given (credential-place.ts). */
export interface StoredCredential extends Credential {
  givenFor: { host: string; port: number };
}

export const isDynamic = (system: Pick<System, 'effectiveUserId'>): boolean =>
  system.effectiveUserId === '${apiUserId}';

/** Kilim's own settings under `notes.kilim` of a system (design §3). */
export interface SystemSettings {
  containerEngine?: 'docker' | 'podman';
  /** Words put between the engine and its sub-command, e.g. `--runtime runc` where the site needs them. */
  containerEngineArgs?: string[];
}

export const settingsOfSystem = (system: Pick<System, 'notes'>): SystemSettings =>
  (system.notes['kilim'] as SystemSettings | undefined) ?? {};
