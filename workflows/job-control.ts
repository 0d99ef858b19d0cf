import {
  CancellationScope,
  CancelledFailure,
  condition,
  isCancellation,
  setCurrentDetails,
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
import type { JobEnd, Submitted, Ticket } from '../domain/jobs/ticket.js';
import { DOES } from '../domain/jobs/explain.js';
import { CURE } from '../domain/jobs/waiting.js';
import { meaningOf } from '../domain/errors.js';
import { awaitRecovery, recordStatus } from './activities.js';
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
  const state = {
    uuid,
    wantsPause: false,
    pausedBy: '',
    hints: 0,
    freed: 0,
    wasLaunched: from >= ACTIVE.indexOf('QUEUED'),
    remote: '',
  };

  setHandler(getStatus, () => status);
  setHandler(remoteHint, () => void state.hints++);
  setHandler(resourceFreed, () => void state.freed++);
  setHandler(pause, (order) => {
    state.wantsPause = true;
    state.pausedBy = [order?.by ?? 'an operator', order?.reason].filter(Boolean).join(': ');
  });
  setHandler(resume, () => {
    state.wantsPause = false;
    state.freed++; // who is BLOCKED tries at once
  });

  /** Writes a status with its event; returns when it is in the store. */
  async function record(next: JobStatus, more: Partial<StatusRecord> = {}): Promise<void> {
    if (next !== status && !canMove(status, next)) return;
    status = next;
    condition_ ??= more.condition;
    const written: StatusRecord = { ...more, uuid, rev: ++rev, status: next };
    upsertSearchAttributes([{ key: JOB_STATUS, value: next }]);
    describe(next, more.message);
    await recordStatus(written);
  }

  function describe(now: JobStatus, message?: string): void {
    const lines = [`**${now}** since ${new Date().toISOString()}: ${DOES[now]}.`];
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

  async function blockOn(failure: Failure, round: number): Promise<void> {
    const subject = meaningOf(failure.code).recover ?? 'host';
    await record('BLOCKED', { message: `${failure.message} ${CURE[subject]}` });
    upsertSearchAttributes([{ key: BLOCKED_CODE, value: failure.code }]);
    const seen = state.freed;
    const scope = new CancellationScope();
    const { code, systemId } = failure;
    const test = scope.run(() => awaitRecovery(uuid, { code, round, ...(systemId ? { systemId } : {}) }));
    const passed = test.then(
      () => true,
      (error: unknown) => {
        if (isCancellation(error)) return false;
        throw error;
      },
    );
    await Promise.race([passed, condition(() => state.freed !== seen || state.wantsPause)]);
    scope.cancel();
    if (CancellationScope.current().consideredCancelled) throw new CancelledFailure('the job was cancelled');
    upsertSearchAttributes([{ key: BLOCKED_CODE, value: null }]);
  }

  return {
    uuid,
    state,
    record,
    pausePoint,
    /** One line of the job's life: moves to the status, does the work, and waits in BLOCKED while a failure may pass. */
    async phase<T>(next: ActiveStatus, work: () => Promise<T>, outcome?: Outcome): Promise<T | undefined> {
      if (ACTIVE.indexOf(next) < from) return undefined;
      for (let round = 0; ; round++) {
        // on the host the run itself is held or told of: their own waiting does that
        if (next !== 'QUEUED' && next !== 'RUNNING') await pausePoint();
        // the row of a job that is taken up again may stand at BLOCKED or PAUSED
        if (status !== next || !isUnderWay) await enter(next, outcome);
        isUnderWay = true;
        try {
          return await work();
        } catch (error) {
          const failure = isCancellation(error) ? null : failureOf(error);
          if (!failure || !meaningOf(failure.code).recover) throw error;
          await blockOn(failure, round);
        }
      }
      async function enter(to: ActiveStatus, known?: Outcome): Promise<void> {
        if (to === 'SUBMITTING_JOB') state.wasLaunched = true;
        if (to === 'PENDING' && rev === 0) return; // the row was added as PENDING
        await record(
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
    /** A step that a cancel must not cut in two: the flag is looked at afterwards. */
    uncancelled: <T>(work: () => Promise<T>): Promise<T> => CancellationScope.nonCancellable(work),
    tellRemoteId(submitted: Submitted | undefined): Promise<void> {
      if (submitted) {
        state.remote = `${submitted.host}, remote job ${submitted.remoteJobId}`;
        upsertSearchAttributes([{ key: REMOTE_JOB_ID, value: submitted.remoteJobId }]);
      }
      return Promise.resolve();
    },
    /** FINISHED, or FAILED with the reason. */
    async end(outcome: Outcome | undefined): Promise<JobEnd> {
      const to: TerminalStatus = !outcome || outcome.remoteOutcome === 'FINISHED' ? 'FINISHED' : 'FAILED';
      await record(to, {
        ...(outcome?.message ? { message: outcome.message } : {}),
        ...(outcome?.condition ? { condition: outcome.condition } : {}),
        archived: outcome?.archive ?? true,
      });
      return { status: to, condition: condition_ ?? DEFAULT_CONDITION[to] };
    },
    currentStatus: () => status,
  };
}
