import type { Job } from '../domain/jobs/job.js';
import type { RemoteState, Snapshot } from '../domain/jobs/remote.js';

/** What watchers see of hosts and jobs; keyed by `watchKey` and job uuid. */
export interface WatchStore {
  /** Live jobs (non-terminal, submitted) whose plan's exec system has this watch key. */
  liveJobs: (
    key: string,
  ) => Promise<{ uuid: string; remoteJobId: string | null; keeper: string; launchedOn: string | null }[]>;
  /** A look at all jobs of a host; it counts as a look at each job that it lists. */
  saveSnapshot: (key: string, snapshot: Snapshot, takenAt: string) => Promise<void>;
  /** Is there a launched job that no look and no event has told of yet? */
  hasUnseen: (key: string) => Promise<boolean>;
  /** One job's state as pushed by its wrapper (END event) or the last snapshot, with the instant it was seen. */
  saveState: (key: string, uuid: string, state: RemoteState, seenAt: string) => Promise<void>;
  findState: (uuid: string) => Promise<{ state: RemoteState; seenAt: string } | null>;
  findStates: (uuids: string[]) => Promise<Record<string, RemoteState>>;
  /** Why a job waits, as the message of its row; only while it is QUEUED. */
  tellQueued: (uuid: string, message: string) => Promise<void>;
  snapshotAge: (key: string) => Promise<number | null>;
  /** The newest launched job of every system and login, of the jobs that were written within `ms`. */
  newestJobs: (ms: number) => Promise<Job[]>;
  /** Milliseconds since the last look at every host that has live jobs. */
  snapshotAges: () => Promise<{ key: string; ageMs: number }[]>;
  /** Claims the next probe of a subject: true for one caller per `everyMs`; others get the last result. */
  claimProbe: (
    subject: string,
    everyMs: number,
  ) => Promise<{ mine: boolean; ok: boolean | null; said: string | null; at: string | null }>;
  saveProbe: (subject: string, ok: boolean, said: string) => Promise<void>;
}
