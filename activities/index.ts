import type { StatusRecord } from '../domain/jobs/job.js';
import type { WatchTicket } from '../domain/jobs/ticket.js';
import { admitJob } from './admit-job.js';
import { archiveOutputs } from './archive-outputs.js';
import { awaitRecovery, type BlockedBy } from './await-recovery.js';
import { awaitRemoteStart } from './await-remote-start.js';
import { awaitRemoteEnd } from './await-remote-end.js';
import type { Deps } from './deps.js';
import { holdRemote, releaseRemote } from './hold-remote.js';
import { makeDirectories } from './make-directories.js';
import { heartbeating, type Progress } from './progress.js';
import { recordStatuses, tellFirst } from './record-statuses.js';
import { stageInputs } from './stage-inputs.js';
import { stageJob } from './stage-job.js';
import { stopRemote } from './stop-remote.js';
import { submitJob } from './submit-job.js';
import { createSeats, watchHost } from './watch-host.js';

/** The engine's table of contents: every step, bound to its dependencies; who talks to a host does so with a heartbeat. */
export const createActivities = (deps: Deps) => {
  const seats = createSeats();
  /** A line of the job's life: the store hears first where the job is, then the work is done. */
  const step =
    <T>(work: (uuid: string, progress: Progress) => Promise<T>) =>
    (uuid: string, untold: StatusRecord[] = []): Promise<T> =>
      heartbeating(async (progress) => {
        await tellFirst(deps, untold, progress.signal);
        return work(uuid, progress);
      });
  return {
    admitJob: (uuid: string) => admitJob(deps, uuid),
    makeDirectories: step((uuid) => makeDirectories(deps, uuid)),
    stageInputs: step((uuid, progress) => stageInputs(deps, uuid, progress)),
    stageJob: step((uuid, progress) => stageJob(deps, uuid, progress)),
    submitJob: step((uuid) => submitJob(deps, uuid)),
    awaitRemoteStart: (uuid: string, untold: StatusRecord[] = [], words?: string) =>
      step((id) => awaitRemoteStart(deps, id, words))(uuid, untold),
    awaitRemoteEnd: step((uuid) => awaitRemoteEnd(deps, uuid)),
    archiveOutputs: step((uuid, progress) => archiveOutputs(deps, uuid, progress)),
    holdRemote: (uuid: string) => heartbeating(() => holdRemote(deps, uuid)),
    releaseRemote: (uuid: string) => heartbeating(() => releaseRemote(deps, uuid)),
    stopRemote: (uuid: string) => heartbeating(() => stopRemote(deps, uuid)),
    recordStatuses: (records: StatusRecord[]) => recordStatuses(deps, records),
    awaitRecovery: (uuid: string, cause: BlockedBy) => heartbeating(() => awaitRecovery(deps, uuid, cause)),
    watchHost: (ticket: WatchTicket) => watchHost(deps, ticket, seats),
  };
};

export type Activities = ReturnType<typeof createActivities>;
