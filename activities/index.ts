import type { ErrorCode } from '../domain/errors.js';
import type { StatusRecord } from '../domain/jobs/job.js';
import type { WatchTicket } from '../domain/jobs/ticket.js';
import { admitJob } from './admit-job.js';
import { archiveOutputs } from './archive-outputs.js';
import { awaitRecovery } from './await-recovery.js';
import { awaitRemoteStart } from './await-remote-start.js';
import { awaitRemoteEnd } from './await-remote-end.js';
import type { Deps } from './deps.js';
import { holdRemote, releaseRemote } from './hold-remote.js';
import { makeDirectories } from './make-directories.js';
import { recordStatus } from './record-status.js';
import { stageInputs } from './stage-inputs.js';
import { stageJob } from './stage-job.js';
import { stopRemote } from './stop-remote.js';
import { submitJob } from './submit-job.js';
import { watchHost } from './watch-host.js';

/** The engine's table of contents: every step, bound to its dependencies. */
export const createActivities = (deps: Deps) => ({
  admitJob: (uuid: string) => admitJob(deps, uuid),
  makeDirectories: (uuid: string) => makeDirectories(deps, uuid),
  stageInputs: (uuid: string) => stageInputs(deps, uuid),
  stageJob: (uuid: string) => stageJob(deps, uuid),
  submitJob: (uuid: string) => submitJob(deps, uuid),
  awaitRemoteStart: (uuid: string) => awaitRemoteStart(deps, uuid),
  awaitRemoteEnd: (uuid: string) => awaitRemoteEnd(deps, uuid),
  holdRemote: (uuid: string) => holdRemote(deps, uuid),
  releaseRemote: (uuid: string) => releaseRemote(deps, uuid),
  stopRemote: (uuid: string) => stopRemote(deps, uuid),
  archiveOutputs: (uuid: string) => archiveOutputs(deps, uuid),
  recordStatus: (record: StatusRecord) => recordStatus(deps, record),
  awaitRecovery: (uuid: string, code: ErrorCode) => awaitRecovery(deps, uuid, code),
  watchHost: (ticket: WatchTicket) => watchHost(deps, ticket),
});

export type Activities = ReturnType<typeof createActivities>;
