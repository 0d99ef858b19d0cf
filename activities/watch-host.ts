import { Context } from '@temporalio/activity';

import type { SystemUse } from '../domain/jobs/job-plan.js';
import type { Keeper } from '../domain/jobs/keeper.js';
import type { Snapshot } from '../domain/jobs/remote.js';
import { stateDir } from '../domain/jobs/ledger.js';
import type { WatchTicket } from '../domain/jobs/ticket.js';
import { followLines } from '../hosts/follow.js';
import type { Host } from '../hosts/host.js';
import { FOLLOWER, endOf, parseEvent } from '../schedulers/ledger-states.js';
import type { Deps } from './deps.js';

const WITH_CHANNEL_MS = 60_000;
const WITHOUT_CHANNEL_MS = 10_000;
const IDLE_MS = 10 * 60_000;

/**
 * Watches a host for all jobs of a login user: follows the event logs that the wrappers append to, and looks once for all
 * jobs every minute (every ten seconds without the channel). Hints are sent to who is concerned; truth is in the store.
 * Ends when no live job was seen for ten minutes.
 */
export async function watchHost(deps: Deps, ticket: WatchTicket): Promise<void> {
  const context = Context.current();
  const signal = context.cancellationSignal;
  const beat = setInterval(() => context.heartbeat(), 2_000);
  const channel = keepChannel(deps, ticket, signal);
  let lastSeenLive = Date.now();
  try {
    while (!signal.aborted && Date.now() - lastSeenLive < IDLE_MS) {
      if ((await look(deps, ticket)) > 0) lastSeenLive = Date.now();
      await channel.changed(channel.isAlive() ? WITH_CHANNEL_MS : WITHOUT_CHANNEL_MS);
    }
  } finally {
    clearInterval(beat);
    channel.close();
  }
}

/** One look at all jobs; every job whose state changed, or that is not seen any more, gets a hint. */
async function look(deps: Deps, ticket: WatchTicket): Promise<number> {
  const { store, log } = deps;
  const live = await store.watch.liveJobs(ticket.key);
  if (live.length === 0) return 0;
  try {
    const host = await deps.openHost(ticket.tenant, useOf(ticket));
    const snapshot: Snapshot = {};
    for (const keeper of new Set(live.map((job) => job.keeper as Keeper))) {
      Object.assign(snapshot, await host.run(deps.schedulers[keeper].snapshot(deps.installation)));
      break; // both FORK keepers share one ledger: one look serves them all
    }
    await store.watch.saveSnapshot(ticket.key, snapshot, new Date().toISOString());
    const settled = live.filter(({ uuid, remoteJobId }) => remoteJobId !== null && isOver(snapshot, uuid));
    for (const { uuid } of settled) await wake(deps, uuid);
  } catch (error) {
    log.warn({ key: ticket.key, err: error }, 'a look at a host failed');
  }
  return live.length;
}

const isOver = (snapshot: Snapshot, uuid: string): boolean => {
  const state = snapshot[uuid];
  return state === undefined || state.is === 'over';
};

/** How long a look of this process may take to begin; a signal costs a job eleven events. */
const BEGINNING_MS = 60;

/** To be called when what is new is in the store: a look that begins later reads it there. */
async function wake({ hints, engine, store }: Deps, uuid: string): Promise<void> {
  if (hints.deliver(uuid)) return;
  const status = (await store.jobs.find(uuid))?.status;
  if (status !== 'RUNNING' && status !== 'QUEUED') return;
  await new Promise((resolve) => setTimeout(resolve, BEGINNING_MS));
  if (!hints.deliver(uuid) && (await isStillWaiting(store, uuid))) await engine.hint(uuid, 'remoteHint');
}

const isStillWaiting = async (store: Deps['store'], uuid: string): Promise<boolean> =>
  (await store.jobs.find(uuid))?.remoteOutcome === null;

interface Channel {
  isAlive: () => boolean;
  /** Resolves after `ms`, or at once when the channel came up or went down. */
  changed: (ms: number) => Promise<void>;
  close: () => void;
}

function keepChannel(deps: Deps, ticket: WatchTicket, signal: AbortSignal): Channel {
  const ended = new AbortController();
  const both = AbortSignal.any([signal, ended.signal]);
  let alive = false;
  let notify: () => void = () => undefined;
  const set = (now: boolean): void => {
    if (alive !== now) notify();
    alive = now;
  };
  const keep = async (): Promise<void> => {
    for (let failures = 0; !both.aborted; failures = Math.min(failures + 1, 5)) {
      try {
        const host: Host = await deps.openHost(ticket.tenant, useOf(ticket));
        await followLines(
          host,
          `state=${stateDir(deps.installation)}\n${FOLLOWER}`,
          (line) => {
            failures = 0;
            if (line === 'FOLLOWING') set(true);
            else void event(deps, ticket, line);
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
        const timer = setTimeout(resolve, ms);
        notify = () => {
          clearTimeout(timer);
          resolve();
        };
        both.addEventListener('abort', notify, { once: true });
      }),
    close: () => ended.abort(),
  };
}

async function event(deps: Deps, ticket: WatchTicket, line: string): Promise<void> {
  const said = parseEvent(line);
  if (said?.what !== 'END' || said.exitCode === null) return;
  try {
    await deps.store.watch.saveState(ticket.key, said.uuid, endOf(said.exitCode), new Date().toISOString());
    await wake(deps, said.uuid);
  } catch (error) {
    deps.log.warn(
      { uuid: said.uuid, err: error },
      'an event of a job could not be kept; the next look finds it',
    );
  }
}

const useOf = ({ systemId, host, port, loginUser, asUser }: WatchTicket): SystemUse => ({
  systemId, host, port, loginUser, asUser, rootDir: '/',
}); // prettier-ignore

const sleep = (ms: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      resolve();
    });
  });
