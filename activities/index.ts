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
import { heartbeating } from './progress.js';
import { recordStatus } from './record-status.js';
import { stageInputs } from './stage-inputs.js';
import { stageJob } from './stage-job.js';
import { stopRemote } from './stop-remote.js';
import { submitJob } from './submit-job.js';
import { watchHost } from './watch-host.js';

/** The engine's table of contents: every step, bound to its dependencies; who talks to a host does so with a heartbeat. */
export const createActivities = (deps: Deps) => ({
  admitJob: (uuid: string) => admitJob(deps, uuid),
  makeDirectories: (uuid: string) => heartbeating(() => makeDirectories(deps, uuid)),
  stageInputs: (uuid: string) => heartbeating((progress) => stageInputs(deps, uuid, progress)),
  stageJob: (uuid: string) => heartbeating((progress) => stageJob(deps, uuid, progress)),
  submitJob: (uuid: string) => heartbeating(() => submitJob(deps, uuid)),
  awaitRemoteStart: (uuid: string) => heartbeating(() => awaitRemoteStart(deps, uuid)),
  awaitRemoteEnd: (uuid: string) => heartbeating(() => awaitRemoteEnd(deps, uuid)),
  holdRemote: (uuid: string) => heartbeating(() => holdRemote(deps, uuid)),
  releaseRemote: (uuid: string) => heartbeating(() => releaseRemote(deps, uuid)),
  stopRemote: (uuid: string) => heartbeating(() => stopRemote(deps, uuid)),
  archiveOutputs: (uuid: string) => heartbeating((progress) => archiveOutputs(deps, uuid, progress)),
  recordStatus: (record: StatusRecord) => recordStatus(deps, record),
  awaitRecovery: (uuid: string, cause: BlockedBy) => heartbeating(() => awaitRecovery(deps, uuid, cause)),
  watchHost: (ticket: WatchTicket) => watchHost(deps, ticket),
});

export type Activities = ReturnType<typeof createActivities>;
