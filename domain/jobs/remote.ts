import type { JobCondition } from './condition.js';
import type { SystemUse } from './job-plan.js';
import type { Usage } from './usage.js';

/**
 * The state of a remote process, container or Slurm job. "Not seen" is `unknown`, never `over`.
 * `over` says how it ended: `exitCode` by our own record (null where nobody knows), `signal` where it was killed.
 */
export type RemoteState =
  | { is: 'unknown'; why: string }
  | { is: 'queued'; reason?: string }
  /** `ranMs`: how long it has been running by the keeper's own count, which leaves out what it waited or was suspended. */
  | { is: 'running'; ranMs?: number }
  | { is: 'suspended' }
  | RemoteEnd;

/** The keeper lost a job that had not begun, for example by a crash: it is safe, and needed, to launch it again. */
export interface Forgotten {
  is: 'forgotten';
}

export interface RemoteEnd {
  is: 'over';
  exitCode: number | null;
  signal?: string | null;
  /** The keeper's own word for it, e.g. `OUT_OF_MEMORY`; evidence for people. */
  word?: string | undefined;
  /** Set where the keeper names a cause that is more than a non-zero exit. */
  condition?: JobCondition | undefined;
  /** Milliseconds between start and end by the host's clock, where known. */
  elapsedMs?: number;
  /** What the wrapper measured. */
  usage?: Usage;
  /** How many processes the application had left in the background; they were ended with it. */
  ended?: number;
  /** The application's exit code before `tapisjob.exitcode` overruled it. */
  ownExitCode?: number;
}

/** An exit code above 128 is how a shell tells of a signal. */
export const signalOf = (exitCode: number): { signal: string | null } => ({
  signal: exitCode > 128 && exitCode < 160 ? (SIGNALS[exitCode - 128] ?? `signal ${exitCode - 128}`) : null,
});

const SIGNALS: Record<number, string> = {
  1: 'SIGHUP', 2: 'SIGINT', 3: 'SIGQUIT', 4: 'SIGILL', 6: 'SIGABRT', 7: 'SIGBUS', 8: 'SIGFPE', 9: 'SIGKILL',
  11: 'SIGSEGV', 13: 'SIGPIPE', 14: 'SIGALRM', 15: 'SIGTERM', 24: 'SIGXCPU', 25: 'SIGXFSZ',
}; // prettier-ignore

/** One look at a host for all jobs of a login user: by job uuid. */
export type Snapshot = Record<string, RemoteState>;

/** A line that a job's wrapper appended to its node's event log. */
export interface WrapperEvent {
  uuid: string;
  attempt: number;
  what: 'START' | 'END' | 'REFUSED';
  /** Exit code of the application, for END. */
  exitCode: number | null;
  usage?: Usage;
  /** Milliseconds since the epoch by the host's clock: for differences only. */
  hostMs: number;
}

/** What a person reads while the job waits in a queue; null where nothing was said. */
export const queueMessage = (
  queue: string,
  remoteJobId: string | null,
  state: RemoteState | null,
): string | null =>
  state?.is === 'queued' && state.reason ? `${queue} job ${remoteJobId ?? ''} is ${state.reason}` : null;

/**
 * Names the jobs that one watcher watches together: the jobs of one system that log in with the same credential. Another
 * system on the same host has another key, because every user may register a system with any address.
 */
export const watchKey = (
  tenant: string,
  {
    systemId,
    loginUser,
    asUser,
    isStaticLogin,
  }: Pick<SystemUse, 'systemId' | 'loginUser' | 'asUser' | 'isStaticLogin'>,
): string =>
  ['watch', tenant, systemId, loginUser, ...(isStaticLogin ? [] : [asUser])].map(withoutColons).join(':');

/** Names of users may contain the separator. A migration does the same in SQL. */
const withoutColons = (text: string): string => text.replaceAll('%', '%25').replaceAll(':', '%3A');
