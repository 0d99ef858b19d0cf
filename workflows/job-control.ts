import {
  CancellationScope,
  CancelledFailure,
  condition,
  defineSignal,
  isCancellation,
  patched,
  setCurrentDetails,
  setDefaultSignalHandler,
  setHandler,
  upsertSearchAttributes,
} from '@temporalio/workflow';

import { DEFAULT_CONDITION, type JobCondition } from '../domain/jobs/condition.js';
import type { StatusRecord } from '../domain/jobs/job.js';
import type { Outcome } from '../domain/jobs/outcome.js';
import {
  ACTIVE,
  canMove,
  type ActiveStatus,
  type JobStatus,
  type TerminalStatus,
} from '../domain/jobs/status.js';
import type { JobEnd, Order, Submitted, Ticket } from '../domain/jobs/ticket.js';
import { DOES } from '../domain/jobs/explain.js';
import { CURE } from '../domain/jobs/waiting.js';
import { meaningOf } from '../domain/errors.js';
import { awaitRecovery, recordStatuses } from './activities.js';
import { failureOf, type Failure } from './failure.js';
import {
  BLOCKED_CODE,
  getStatus,
  JOB_STATUS,
  pause,
  remoteHint,
  REMOTE_JOB_ID,
  resourceFreed,
  resume,
} from './messages.js';

/** A step that went on for so long was not blocked meanwhile. */
const CALM_MS = 10 * 60_000;

/** After a launch that nobody answered. */
const PERHAPS = 'it may be on the host already, which is found out when it is resumed';

/** There the run itself is held or told of: their own waiting does that. */
const isOnHost = (status: ActiveStatus): boolean => status === 'QUEUED' || status === 'RUNNING';

/** The state of one job's workflow and the moves that every line of its life shares. */
export type JobControl = ReturnType<typeof beginJob>;

/** Builds the state, then registers every handler, before the first await. */
export function beginJob(ticket: Ticket) {
  const { uuid } = ticket;
  const from = ACTIVE.indexOf(ticket.from ?? 'PENDING');
  let rev = ticket.rev ?? 0;
  let status: JobStatus = ticket.from ?? 'PENDING';
  let isUnderWay = false;
  let condition_: JobCondition | undefined;
  /** Statuses that the store may not know yet, in their order; it ignores what it knows. */
  let untold: StatusRecord[] = [];
  const state = {
    uuid,
    wantsPause: ticket.isPaused ?? false,
    pausedBy: ticket.isPaused ? 'an earlier order' : '',
    /** Milliseconds since the epoch: since when the run on the host is held, or may be; 0 where it is not. */
    heldSince: ticket.heldSince ?? 0,
    hints: 0,
    freed: 0,
    wasLaunched: from >= ACTIVE.indexOf('QUEUED') || (ticket.mayRun ?? false),
    /** The launch files are on the host. */
    wasStaged: from > ACTIVE.indexOf('STAGING_JOB'),
    remote: '',
    remoteJobId: '',
  };
  const announced = { status: '', remoteJobId: '' };
  const described = { status: '', since: '' };

  setHandler(getStatus, () => status);
  const heed = new Map<string, (order?: Order) => void>([
    [remoteHint.name, () => void state.hints++],
    [resourceFreed.name, () => void state.freed++],
    [
      pause.name,
      (order) => {
        state.wantsPause = true;
        state.pausedBy = [order?.by ?? 'an operator', order?.reason].filter(Boolean).join(': ');
      },
    ],
    [
      resume.name,
      () => {
        state.wantsPause = false;
        state.freed++; // who is BLOCKED tries at once
      },
    ],
  ]);
  // what came before the first task is heeded in the order it came in: a handler of its own takes all of its name first
  setDefaultSignalHandler((name, order) => heed.get(name)?.(order as Order | undefined));
  for (const [name, does] of heed) setHandler(defineSignal<[Order?]>(name), does);

  /** Moves to a status. The next step carries it to the store, before it does anything else. */
  function moveTo(next: JobStatus, more: Partial<StatusRecord> = {}): void {
    if (next !== status && !canMove(status, next)) return;
    status = next;
    condition_ ??= more.condition;
    untold.push({ ...more, uuid, rev: ++rev, status: next });
    describe(next, more.message);
  }

  /** Moves to a status; returns when it is in the store. */
  async function record(next: JobStatus, more: Partial<StatusRecord> = {}): Promise<void> {
    moveTo(next, more);
    await told(recordStatuses);
  }

  async function told<T>(tell: (records: StatusRecord[]) => Promise<T>): Promise<T> {
    announce();
    const telling = [...untold];
    const answer = await tell(telling);
    untold = untold.filter((one) => !telling.includes(one));
    return answer;
  }

  /** For the lists of the operators' window. */
  function announce(): void {
    const { remoteJobId } = state;
    if (announced.status === status && announced.remoteJobId === remoteJobId) return;
    upsertSearchAttributes([
      { key: JOB_STATUS, value: status },
      ...(announced.remoteJobId === remoteJobId ? [] : [{ key: REMOTE_JOB_ID, value: remoteJobId }]),
    ]);
    Object.assign(announced, { status, remoteJobId });
  }

  /** For the operators' window; the same sentences as `explain` gives to users. */
  function describe(now: JobStatus, message?: string, does: string = DOES[now]): void {
    if (now !== described.status) Object.assign(described, { status: now, since: new Date().toISOString() });
    const lines = [`**${now}** since ${described.since}: ${does}.`];
    if (state.remote) lines.push(`on ${state.remote}`);
    if (message) lines.push(message);
    if (now === 'PAUSED') lines.push('Send the signal `resume` to go on.');
    setCurrentDetails(lines.join('\n\n'));
  }

  /** Holds here while somebody wants the job paused. */
  async function pausePoint(said = 'nothing runs on the host'): Promise<boolean> {
    if (!state.wantsPause) return false;
    await record('PAUSED', { message: `Paused by ${state.pausedBy}; ${said}.` });
    await condition(() => !state.wantsPause);
    return true;
  }

  async function blockOn(next: ActiveStatus, failure: Failure, round: number, since: number): Promise<void> {
    const subject = meaningOf(failure.code).recover ?? 'host';
    await record('BLOCKED', { message: `${failure.message} ${CURE[subject]}` });
    upsertSearchAttributes([{ key: BLOCKED_CODE, value: failure.code }]);
    const seen = state.freed;
    // a run that was to be held and cannot be asked: the pause comes when the host answers
    const holdsLater = state.wantsPause && isOnHost(next) && patched('hold-later');
    const scope = new CancellationScope();
    const { code, systemId } = failure;
    const test = scope.run(() =>
      awaitRecovery(uuid, { code, round, since, ...(systemId ? { systemId } : {}) }),
    );
    const passed = test.then(
      () => true,
      (error: unknown) => {
        if (isCancellation(error)) return false;
        throw error;
      },
    );
    await Promise.race([passed, condition(() => state.freed !== seen || (state.wantsPause && !holdsLater))]);
    scope.cancel();
    refuseCancelled();
    upsertSearchAttributes([{ key: BLOCKED_CODE, value: null }]);
  }

  function refuseCancelled(): void {
    if (CancellationScope.current().consideredCancelled) throw new CancelledFailure('the job was cancelled');
  }

  return {
    uuid,
    state,
    record,
    pausePoint,
    /** One line of the job's life: moves to the status, does the work, and waits in BLOCKED while a failure may pass. */
    async phase<T>(next: ActiveStatus, work: () => Promise<T>, outcome?: Outcome): Promise<T | undefined> {
      if (ACTIVE.indexOf(next) < from) return undefined;
      let since = 0;
      let triedAt = 0;
      for (let round = 0; ; round++) {
        // a step that a cancel did not reach in time ended well: nothing new is begun
        refuseCancelled();
        if (!isOnHost(next))
          await pausePoint(next === 'SUBMITTING_JOB' && state.wasLaunched ? PERHAPS : undefined);
        // the row of a job that is taken up again may stand at BLOCKED or PAUSED
        if (status !== next || !isUnderWay) enter(next, outcome);
        isUnderWay = true;
        try {
          const done = await work();
          if (next === 'STAGING_JOB') state.wasStaged = true;
          return done;
        } catch (error) {
          // a try that failed while it was being cancelled is not tried again: its failure tells nothing of the job
          refuseCancelled();
          const failure = isCancellation(error) ? null : failureOf(error);
          if (!failure || !meaningOf(failure.code).recover) throw error;
          if (status === 'PAUSED') moveTo(next); // a resume that could not be carried out is no pause any more
          // a test that passed and a step that fails again at once are one wait
          if (Date.now() - triedAt > CALM_MS) since = Date.now();
          await blockOn(next, failure, round, since);
          triedAt = Date.now();
        }
      }
      function enter(to: ActiveStatus, known?: Outcome): void {
        if (to === 'SUBMITTING_JOB') state.wasLaunched = true;
        if (to === 'PENDING' && rev === 0) return; // the row was added as PENDING
        moveTo(
          to,
          known
            ? {
                remoteOutcome: known.remoteOutcome,
                remoteResultInfo: known.remoteResultInfo,
                ...(known.condition ? { condition: known.condition } : {}),
              }
            : {},
        );
      }
    },
    /** One activity of the job; it tells the store first where the job is. */
    step: <T>(activity: (uuid: string, untold: StatusRecord[]) => Promise<T>): Promise<T> =>
      told((records) => activity(uuid, records)),
    explain: (does: string) => describe(status, undefined, does),
    /** A step that a cancel must not cut in two: the flag is looked at afterwards. */
    uncancelled: <T>(work: () => Promise<T>): Promise<T> => CancellationScope.nonCancellable(work),
    setRemoteId(submitted: Submitted | undefined): void {
      if (!submitted) return;
      state.remoteJobId = submitted.remoteJobId;
      state.remote = `${submitted.host}, remote job ${submitted.remoteJobId}`;
    },
    /** FINISHED, or FAILED with the reason. */
    async end(outcome: Outcome | undefined): Promise<JobEnd> {
      const to: TerminalStatus = !outcome || outcome.remoteOutcome === 'FINISHED' ? 'FINISHED' : 'FAILED';
      refuseCancelled();
      // a cancel that comes from now on is too late
      await CancellationScope.nonCancellable(() =>
        record(to, {
          ...(outcome?.message ? { message: outcome.message } : {}),
          ...(outcome?.condition ? { condition: outcome.condition } : {}),
          archived: outcome?.archive ?? true,
        }),
      );
      return { status: to, condition: condition_ ?? DEFAULT_CONDITION[to] };
    },
    currentStatus: () => status,
    /** The status stays until that is verified; the operators' window tells what goes on. */
    showEnding: () => describe(status, 'It is being ended, until nothing of it runs on the host any more.'),
  };
}
