import type { App } from '../domain/apps/app.js';
import type { EnvVariable, JobPlan, PlannedJob } from '../domain/jobs/job-plan.js';
import type { Job, JobEvent, JobEventName, StatusRecord } from '../domain/jobs/job.js';
import type { Usage } from '../domain/jobs/usage.js';
import type { Sharer } from '../domain/jobs/shared-dirs.js';
import type { JobStatus } from '../domain/jobs/status.js';
import type { Condition } from '../domain/search/condition.js';
import type { Order } from '../domain/search/order.js';
import type { Purged } from './purge.js';
import type { SchedulerProfile, StoredCredential, System } from '../domain/systems/system.js';
import type { OrphanStore } from './orphan-store.js';
import type { SettingStore, UserStore } from './user-store.js';
import type { WatchStore } from './watch-store.js';

/** Rows in, domain values out: everything the programs ask of the database. */
export interface Store {
  jobs: JobStore;
  watch: WatchStore;
  systems: SystemStore;
  apps: AppStore;
  profiles: ProfileStore;
  grants: GrantStore;
  users: UserStore;
  settings: SettingStore;
  orphans: OrphanStore;
  /** Throws KilimError STORE_UNAVAILABLE where the database does not answer. */
  ping: () => Promise<void>;
  /** Seals anew, with the first key, what older keys sealed; safe to repeat. Returns how many values. */
  rotateSeals: () => Promise<number>;
  /**
   * Removes for good the systems and applications that were deleted, and the ended jobs that were hidden, at least
   * `days` days ago.
   */
  purge: (days: number) => Promise<Purged>;
  close: () => Promise<void>;
}

export interface JobQuery {
  tenant: string;
  owner: string;
  /** Of these, those that a search asks for. */
  where?: Condition;
  orderBy: Order[];
  limit: number;
  skip: number;
  computeTotal: boolean;
}

/** Asks for one page of the systems or applications that a user may see. */
export interface RegistrationQuery {
  tenant: string;
  user: string;
  /** The user's own (`own`), those of other users on which the user holds READ (`granted`), both (`all`), or none. */
  scope: 'own' | 'granted' | 'all' | 'none';
  where: Condition;
  orderBy: Order[];
  /** A value of the first attribute of `orderBy`; the rows behind it are listed. */
  startAfter: string | null;
  limit: number;
  skip: number;
  showDeleted: boolean;
  computeTotal: boolean;
}

/** A system without the members that may be large; `AppHead` is the same of an application. */
export type SystemHead = Omit<
  System,
  'jobRuntimes' | 'jobEnvVariables' | 'batchLogicalQueues' | 'jobCapabilities' | 'notes'
>;
export type AppHead = Omit<App, 'jobAttributes' | 'notes'>;

/** What a list of jobs shows of each job (specification: jobs §1.5). */
export interface JobSummary {
  uuid: string;
  name: string;
  owner: string;
  appId: string;
  created: string;
  status: JobStatus;
  condition: string | null;
  remoteStarted: string | null;
  ended: string | null;
  tenant: string;
  execSystemId: string;
  archiveSystemId: string;
  appVersion: string;
  lastUpdated: string;
}

export interface JobStore {
  /**
   * Adds the row (PENDING, "Job created") and its first event in one transaction.
   * With an idempotency key that was used before: the same body hash gives the older job, another one CONFLICT.
   */
  add: (
    planned: PlannedJob,
    rawRequest: string,
    once?: { key: string; caller: string; bodyHash: string },
  ) => Promise<Job>;
  /** By what an idempotency key stands for, before planning; null when unused. CONFLICT for another body. */
  findByIdempotencyKey: (
    tenant: string,
    caller: string,
    key: string,
    bodyHash: string,
  ) => Promise<Job | null>;
  find: (uuid: string) => Promise<Job | null>;
  /** @throws KilimError JOB_NOT_FOUND */
  get: (uuid: string) => Promise<Job>;
  getPlan: (uuid: string) => Promise<JobPlan>;
  /** The sealed environment, opened. */
  getEnv: (uuid: string) => Promise<EnvVariable[]>;
  getRawRequest: (uuid: string) => Promise<string | null>;
  /** The ids of one page of an owner's visible jobs; `total` is -1 unless asked for. Unknown orderBy attribute: INVALID_REQUEST. */
  list: (query: JobQuery) => Promise<{ ids: number[]; total: number }>;
  /** What a list shows of these jobs, in the order of the ids; jobs that are gone are left out. */
  summaries: (ids: readonly number[]) => Promise<JobSummary[]>;
  /** These jobs with their plans, in the order of the ids; jobs that are gone are left out. */
  many: (ids: readonly number[]) => Promise<Job[]>;
  /** How many jobs of an owner have not ended. */
  countLive: (tenant: string, owner: string) => Promise<number>;
  /**
   * One record of the workflow: status, message, timestamps, outcome and the JOB_NEW_STATUS event (for FAILED, JOB_ERROR_MESSAGE
   * before it), in one transaction. A `rev` not above the row's, or a move the table forbids, changes nothing (returns the row).
   * A terminal or BLOCKED status also frees the job's reservations; `freed` names the two oldest waiters to wake, and behind them for the next place.
   */
  record: (record: StatusRecord) => Promise<{ job: Job; freed: string[] }>;
  /** Writes down, before a launch, the identity of the host. The first identity of a job stays, and is returned. */
  bindToHost: (uuid: string, identity: string) => Promise<string>;
  /**
   * Forgets the host of live jobs of a system, so that the next host that answers counts as the host that they were launched
   * on: the jobs of `owner` and of the watch key, or all where `owner` is null. Returns the number of jobs.
   */
  unbindFromHost: (of: {
    tenant: string;
    systemId: string;
    owner: string | null;
    watchKey: string | null;
  }) => Promise<number>;
  setRemoteJobId: (uuid: string, remoteJobId: string, remoteJobId2?: string | null) => Promise<void>;
  /** Counts a look; `message` becomes the row's lastMessage where given and different (the queue's reason, progress). */
  countCheck: (uuid: string, succeeded: boolean, message?: string) => Promise<void>;
  setMessage: (uuid: string, message: string) => Promise<void>;
  setVisible: (uuid: string, visible: boolean) => Promise<void>;
  addEvent: (
    uuid: string,
    event: JobEventName,
    detail: string,
    description: Record<string, unknown>,
  ) => Promise<void>;
  events: (uuid: string, limit: number, skip: number) => Promise<JobEvent[]>;
  /**
   * Takes a place for the job under every key with a limit, or refuses (jobs §7.4). Repeatable per job.
   * @returns null when admitted, else a sentence that names the limit
   */
  reserve: (uuid: string, limits: { key: string; limit: number }[]) => Promise<string | null>;
  /** Writes down at once that the remote run is over, and what it used; the first word stands. */
  setRemoteEnd: (
    uuid: string,
    outcome: Pick<StatusRecord, 'remoteOutcome' | 'remoteResultInfo'>,
    usage?: Usage,
  ) => Promise<void>;
  /** How many jobs wait for the same limit since before this one; null where it waits for none. */
  ahead: (uuid: string) => Promise<number | null>;
  /**
   * Non-terminal rows not written for `olderThanMs`, for the reconciler, behind `after`: the first row of each owner, then the
   * second of each, and so on. Urgent rows have not begun or are to be cancelled; without `isUrgent` only the others come.
   */
  quiet: (
    olderThanMs: number,
    which: { isUrgent: boolean; after: Turn; limit: number },
  ) => Promise<(Turn & { uuid: string; status: JobStatus; cancelRequested: boolean })[]>;
  /** The newest three jobs of the tenant that use a directory of this job and have not ended. */
  findSharers: (plan: JobPlan) => Promise<Sharer[]>;
  /**
   * The uuid of another job of the tenant that was, or may have been, launched with this job's output directory, and has not
   * ended, or ended after an instant; null where no job was.
   */
  findWriter: (plan: JobPlan, since: string | null) => Promise<string | null>;
  requestCancel: (uuid: string) => Promise<void>;
  countByStatus: () => Promise<Partial<Record<JobStatus, number>>>;
}

/** The place of a row in an order that takes the rows of all owners in turn. */
export interface Turn {
  /** The number of the row among the rows of its owner. */
  turn: number;
  id: number;
}

export interface SystemStore {
  /** @throws KilimError CONFLICT where the id exists, also when deleted */
  add: (system: System) => Promise<System>;
  find: (tenant: string, id: string) => Promise<System | null>;
  /** Replaces the row as a whole. */
  replace: (system: System) => Promise<System>;
  /**
   * The ids of one page. With `hasCredentials` true or false only systems with or without a credential of the user;
   * null: all.
   */
  list: (
    query: RegistrationQuery,
    hasCredentials: boolean | null,
  ) => Promise<{ ids: string[]; total: number }>;
  /** In the order of the ids; systems that are gone are left out. */
  heads: (tenant: string, ids: readonly string[]) => Promise<SystemHead[]>;
  many: (tenant: string, ids: readonly string[]) => Promise<System[]>;
  /** The login names that a user gave for dynamic systems, by system id. */
  logins: (tenant: string, user: string) => Promise<ReadonlyMap<string, string>>;
  /** How many systems a user owns, deleted ones included. */
  countOwned: (tenant: string, owner: string) => Promise<number>;
  /**
   * Keeps the key of the host at an address, where the system has no key yet and is still at that address.
   * @returns the key that the system has now; null where the system has another address or does not exist
   */
  pinFirstHostKey: (
    tenant: string,
    id: string,
    at: { host: string; port: number },
    hostKey: string,
  ) => Promise<string | null>;
  /** Forgets the host key; the key of the next connection is then kept. */
  unpinHostKey: (tenant: string, id: string) => Promise<void>;
  /** `target`: the effective user of a static system, the Tapis user of a dynamic one. Sealed at rest. */
  setCredential: (
    tenant: string,
    id: string,
    kind: 'static' | 'dynamic',
    target: string,
    credential: StoredCredential,
  ) => Promise<void>;
  getCredential: (
    tenant: string,
    id: string,
    kind: 'static' | 'dynamic',
    target: string,
  ) => Promise<StoredCredential | null>;
  removeCredential: (
    tenant: string,
    id: string,
    kind: 'static' | 'dynamic',
    target: string,
  ) => Promise<boolean>;
}

export interface AppKey {
  id: string;
  version: string;
}

export interface AppStore {
  add: (app: App) => Promise<App>;
  find: (tenant: string, id: string, version: string) => Promise<App | null>;
  /** The version created last. */
  findLatest: (tenant: string, id: string) => Promise<App | null>;
  replace: (app: App) => Promise<App>;
  /** The names of all versions of one application, the newest first. */
  versions: (tenant: string, id: string) => Promise<string[]>;
  /** One page: the newest version of each application, or every version. */
  list: (query: RegistrationQuery, allVersions: boolean) => Promise<{ keys: AppKey[]; total: number }>;
  /** In the order of the keys; versions that are gone are left out. */
  heads: (tenant: string, keys: readonly AppKey[]) => Promise<AppHead[]>;
  many: (tenant: string, keys: readonly AppKey[]) => Promise<App[]>;
  /** How many versions of applications a user owns, deleted ones included. */
  countOwned: (tenant: string, owner: string) => Promise<number>;
}

export interface ProfileStore {
  add: (profile: SchedulerProfile) => Promise<SchedulerProfile>;
  find: (tenant: string, name: string) => Promise<SchedulerProfile | null>;
  /** The names of all profiles of the tenant, in their order. */
  names: (tenant: string) => Promise<string[]>;
  countOwned: (tenant: string, owner: string) => Promise<number>;
  remove: (tenant: string, name: string) => Promise<boolean>;
}

/** Permissions and shares; `resource` is `system:<id>`, `app:<id>`, `files:<systemId>:<path>`, `job:<uuid>`. */
export interface GrantStore {
  grant: (tenant: string, resource: string, user: string, levels: string[], grantor: string) => Promise<void>;
  revoke: (tenant: string, resource: string, user: string, levels: string[]) => Promise<void>;
  levels: (tenant: string, resource: string, user: string) => Promise<string[]>;
  /** The resources that start with `prefix` on which the user holds the level: one question for a whole list. */
  held: (tenant: string, prefix: string, user: string, level: string) => Promise<Set<string>>;
  /** All grants on resources that start with `prefix`; for path prefixes and share lists. */
  listByPrefix: (
    tenant: string,
    prefix: string,
  ) => Promise<{ resource: string; user: string; level: string; grantor: string; created: string }[]>;
  removeResource: (tenant: string, prefix: string) => Promise<void>;
  /** How many permissions a user has given. */
  countGiven: (tenant: string, grantor: string) => Promise<number>;
}
