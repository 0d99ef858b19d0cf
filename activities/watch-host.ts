import { isDeepStrictEqual } from 'node:util';

import { Context } from '@temporalio/activity';

import type { SystemUse } from '../domain/jobs/job-plan.js';
import { QUEUE_OF, type Keeper } from '../domain/jobs/keeper.js';
import { queueMessage, watchKey, type RemoteState, type Snapshot } from '../domain/jobs/remote.js';
import { stateDir } from '../domain/jobs/ledger.js';
import type { JobStatus } from '../domain/jobs/status.js';
import { watchTicketOf, type WatchTicket } from '../domain/jobs/ticket.js';
import { followLines } from '../hosts/follow.js';
import type { Host } from '../hosts/host.js';
import { FOLLOWER, endOf, parseEvent } from '../schedulers/ledger-states.js';
import type { Deps } from './deps.js';
import { LISTEN_MS } from './look-at-host.js';
import { notYet } from './not-yet.js';

/** A look costs slurmctld two calls, and sites allow few: events tell of nearly everything. */
const WITH_CHANNEL_MS = 120_000;
const WITHOUT_CHANNEL_MS = 15_000;
/** How often the store is asked for new jobs. */
const ASKED_MS = 3_000;
/** A job that nobody has told of yet need not wait for the next look, nor ask for itself. */
const UNSEEN_MS = 10_000;
const IDLE_MS = 10 * 60_000;

/**
 * Watches a host for all jobs of a system and login: follows the event logs that the wrappers append to, and asks the host
 * about all of them every two minutes (every fifteen seconds without the channel). A job whose state may have changed gets
 * a hint; the state itself is kept in the store. A host is believed only about the jobs that were launched on it.
 * Ends when no live job was seen for ten minutes. A ticket of an older version ends at once, because its jobs have other keys now.
 * @throws CancelledFailure when its worker is asked to end, so that another worker goes on watching
 */
export async function watchHost(deps: Deps, ticket: WatchTicket, seats: Seats): Promise<void> {
  if (ticket.key !== watchTicketOf(ticket.tenant, ticket).key) return;
  const context = Context.current();
  const beat = setInterval(() => context.heartbeat(), 2_000);
  const user = `${ticket.tenant}:${ticket.asUser}`;
  const isSeated = seats.taken < SEATS && (seats.ofUser.get(user) ?? 0) < SEATS_OF_USER;
  if (isSeated) count(seats, user, 1);
  try {
    await (isSeated ? follow(deps, ticket, context.cancellationSignal) : passBy(deps, ticket, seats));
  } finally {
    clearInterval(beat);
    if (isSeated) count(seats, user, -1);
  }
}

/** A watcher that follows its host takes one of the worker's places for activities for hours, and jobs need some, too. */
export const SEATS = 100;
/** One user's hosts take half of the seats at most, so that the hosts of other users get some. */
const SEATS_OF_USER = SEATS / 2;
/** How many of a worker's watchers follow their hosts. */
export interface Seats {
  taken: number;
  /** By tenant and user. */
  ofUser: Map<string, number>;
  /** For hosts without a seat, by watch key: since when no live job was seen, in milliseconds of `performance.now()`. */
  idle: Map<string, number>;
}

export const createSeats = (): Seats => ({ taken: 0, ofUser: new Map(), idle: new Map() });

function count(seats: Seats, user: string, by: 1 | -1): void {
  const now = (seats.ofUser.get(user) ?? 0) + by;
  seats.taken += by;
  if (now > 0) seats.ofUser.set(user, now);
  else seats.ofUser.delete(user);
}

/** Where so many are watched: one look, and another one by the next try, which takes no place in between. */
async function passBy(deps: Deps, ticket: WatchTicket, { idle }: Seats): Promise<void> {
  const isIdle = (await look(deps, ticket)) === 0;
  const since = idle.get(ticket.key) ?? performance.now();
  idle.delete(ticket.key);
  if (isIdle && performance.now() - since >= IDLE_MS) return;
  if (isIdle) idle.set(ticket.key, since);
  throw notYet('the host is looked at again', WITHOUT_CHANNEL_MS);
}

async function follow(deps: Deps, ticket: WatchTicket, signal: AbortSignal): Promise<void> {
  const channel = keepChannel(deps, ticket, signal);
  let lastSeenLive = performance.now();
  try {
    for (;;) {
      if ((await look(deps, ticket)) > 0) lastSeenLive = performance.now();
      // only after a look: the last wait may have ended because a job is new
      if (signal.aborted || performance.now() - lastSeenLive >= IDLE_MS) break;
      if (!channel.isAlive()) await channel.changed(WITHOUT_CHANNEL_MS);
      else if (!(await channel.changed(UNSEEN_MS))) await untilUnseen(deps, ticket, channel);
    }
    // to end well would end the watch: jobs live on when a worker is asked to end, and the next one must watch them
    if (signal.aborted) await Context.current().cancelled;
  } finally {
    channel.close();
  }
}

/** Until the next look is due, or the channel changed, or a job is new. */
async function untilUnseen(deps: Deps, { key }: WatchTicket, channel: Channel): Promise<void> {
  for (let waited = UNSEEN_MS; waited < WITH_CHANNEL_MS; waited += ASKED_MS) {
    if (await deps.store.watch.hasUnseen(key)) return;
    if (await channel.changed(ASKED_MS)) return;
  }
}

/** One look at all jobs; every job whose state may have changed, or that is not seen any more, gets a hint. */
async function look(deps: Deps, ticket: WatchTicket): Promise<number> {
  const { store, log } = deps;
  const live = await store.watch.liveJobs(ticket.key);
  if (live.length === 0) return 0;
  try {
    const host = await deps.openHost(ticket.tenant, useOf(ticket), { evenDisabled: true });
    const identity = await host.identity();
    const snapshot: Snapshot = {};
    for (const list of listsOf(live)) {
      const seen = await host.run(deps.schedulers[list].snapshot(deps.installation));
      // who is missing is not over: the job looks for itself
      for (const { uuid, remoteJobId, keeper } of live)
        if (remoteJobId !== null && QUEUE_OF[keeper as Keeper] === QUEUE_OF[list])
          seen[uuid] ??= { is: 'unknown', why: `${QUEUE_OF[list] ?? 'the host'} does not list the job` };
      // of live jobs of this host only: an account can name any uuid, and so can a host
      for (const { uuid, remoteJobId, launchedOn } of live) {
        const state = seen[uuid];
        if (launchedOn === identity) {
          // what this list does not name may stand in another one
          if (state) snapshot[uuid] = state;
        } else if (remoteJobId !== null || launchedOn !== null) snapshot[uuid] = ELSEWHERE;
      }
    }
    const known = await store.watch.findStates(live.map(({ uuid }) => uuid));
    await store.watch.saveSnapshot(ticket.key, snapshot, new Date().toISOString());
    for (const job of live) {
      if (job.remoteJobId === null) continue;
      const now = snapshot[job.uuid];
      const queue = QUEUE_OF[job.keeper as Keeper];
      const says = queue ? queueMessage(queue, job.remoteJobId, now ?? null) : null;
      if (says && !isDeepStrictEqual(known[job.uuid], now)) await store.watch.tellQueued(job.uuid, says);
      if (isNews(now, known[job.uuid], queue !== null)) await wake(deps, job.uuid);
    }
  } catch (error) {
    log.warn({ key: ticket.key, err: error }, 'a look at a host failed');
  }
  return live.length;
}

/** The job asks its host itself then, and its message says what is to be done. */
const ELSEWHERE: RemoteState = {
  is: 'unknown',
  why: 'it is not known to have been launched on the host that answers',
};

/** The lists to read: one look serves both keepers of the ledger, another one all jobs of a queue. */
const listsOf = (live: readonly { keeper: string }[]): Keeper[] => {
  const keepers = new Set(live.map(({ keeper }) => keeper as Keeper));
  const waiting = [...keepers].filter((keeper) => QUEUE_OF[keeper] !== null);
  return [...[...keepers].filter((keeper) => QUEUE_OF[keeper] === null).slice(0, 1), ...waiting];
};

/** An end and an absence are told until the job has settled them; of the rest only the start of a run matters. */
const isNews = (now: RemoteState | undefined, before: RemoteState | undefined, canQueue: boolean): boolean =>
  now === undefined ||
  now.is === 'over' ||
  now.is === 'unknown' ||
  (now.is !== 'queued' && (before ? before.is === 'queued' : canQueue));

/** How long the first look of this process may take to begin; a signal costs a job eleven events. */
const BEGINNING_MS = 60;

/** To be called when what is new is in the store: a look that begins later reads it there. */
async function wake({ hints, engine, store }: Deps, uuid: string): Promise<void> {
  if (hints.deliver(uuid)) return;
  const job = await store.jobs.find(uuid);
  if (job?.status !== 'RUNNING' && job?.status !== 'QUEUED') return;
  if (Date.now() - Date.parse(job.lastUpdated) < LISTEN_MS) {
    await new Promise((resolve) => setTimeout(resolve, BEGINNING_MS));
    if (hints.deliver(uuid)) return;
  }
  if (await isStillWaiting(store, uuid)) await engine.hint(uuid, 'remoteHint');
}

const isStillWaiting = async (store: Deps['store'], uuid: string): Promise<boolean> =>
  (await store.jobs.find(uuid))?.remoteOutcome === null;

interface Channel {
  isAlive: () => boolean;
  /**
   * Resolves after `ms` with false, or with true as soon as the channel came up or went down since it was asked last: what
   * was written before the channel stood is seen by a look that begins after that.
   */
  changed: (ms: number) => Promise<boolean>;
  close: () => void;
}

function keepChannel(deps: Deps, ticket: WatchTicket, signal: AbortSignal): Channel {
  const ended = new AbortController();
  const both = AbortSignal.any([signal, ended.signal]);
  let alive = false;
  let notify: () => void = () => undefined;
  let hasChanged = false;
  const set = (now: boolean): void => {
    if (alive === now) return;
    alive = now;
    hasChanged = true;
    notify();
  };
  const keep = async (): Promise<void> => {
    for (let failures = 0; !both.aborted; failures = Math.min(failures + 1, 5)) {
      try {
        const host: Host = await deps.openHost(ticket.tenant, useOf(ticket), { evenDisabled: true });
        const identity = await host.identity();
        await followLines(
          host,
          `state=${stateDir(deps.installation)}\n${FOLLOWER}`,
          (line) => {
            failures = 0;
            if (line !== 'FOLLOWING') return event(deps, ticket, identity, line);
            set(true);
          },
          both,
        );
      } catch (error) {
        deps.log.warn({ key: ticket.key, err: error }, 'the channel to a host broke');
      }
      set(false);
      await sleep(1_000 * 2 ** failures, both);
    }
  };
  void keep();
  return {
    isAlive: () => alive,
    changed: (ms) =>
      new Promise((resolve) => {
        const end = (): void => {
          clearTimeout(timer);
          both.removeEventListener('abort', end);
          notify = () => undefined;
          resolve(hasChanged || both.aborted);
          hasChanged = false;
        };
        const timer = setTimeout(end, ms);
        notify = end;
        both.addEventListener('abort', end, { once: true });
        if (hasChanged || both.aborted) end();
      }),
    close: () => ended.abort(),
  };
}

/** The row may not say QUEUED yet: a quick start is told before the launch has answered. */
const MAY_WAIT: readonly JobStatus[] = ['SUBMITTING_JOB', 'QUEUED', 'BLOCKED', 'PAUSED'];

async function event(deps: Deps, { key }: WatchTicket, identity: string, line: string): Promise<void> {
  const said = parseEvent(line);
  if (!said || said.what === 'REFUSED') return;
  try {
    const isStart = said.what === 'START';
    const job = await deps.store.jobs.find(said.uuid);
    // the log belongs to an account that can write any line into it, and a system's owner can lead the system to any host
    if (!job || watchKey(job.tenant, job.plan.exec) !== key || job.launchedOn !== identity) return;
    // only a job in a scheduler's queue waits for a start; Kilim starts all others itself
    if (isStart && (QUEUE_OF[job.plan.keeper] === null || !MAY_WAIT.includes(job.status))) return;
    const state: RemoteState = isStart
      ? { is: 'running' }
      : said.exitCode === null
        ? { is: 'unknown', why: 'the run ended and its keeper knows how' }
        : endOf(said.exitCode, undefined, said.usage);
    await deps.store.watch.saveState(key, said.uuid, state, new Date().toISOString());
    await wake(deps, said.uuid);
  } catch (error) {
    deps.log.warn(
      { uuid: said.uuid, err: error },
      'an event of a job could not be kept; the next look finds it',
    );
  }
}

const useOf = (ticket: WatchTicket): SystemUse => ({ ...ticket, rootDir: '/' });

const sleep = (ms: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      resolve();
    });
  });
