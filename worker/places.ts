/** A request of an activity for one of the worker's places, before it talks to a host. */
export interface Ask {
  /** Of the activity; the same at every try. */
  id: string;
  /** The address of the host. */
  where: string;
  user: string;
  /** Jobs that have begun go before new ones, and orders (hold, release, stop) have places of their own. */
  kind: 'begins' | 'goes on' | 'order';
}

/**
 * Shares out the worker's places for activities, so that neither a host that hangs nor a single user takes all of them. An
 * activity that gets no place does not wait here, where it would hold a slot of the Temporal worker: it is told when to ask again,
 * so that the activities of each user get their places in the order of their first requests.
 */
export interface Places {
  /** @returns a function that gives the place back, or the milliseconds after which to ask again */
  take: (ask: Ask) => (() => void) | { againMs: number };
}

/** Shares of all places that may be taken by one user, by the steps at one host, and by the orders at one host. */
const OF_USER = 1 / 2;
const OF_HOST = 1 / 4;
const OF_ORDERS = 1 / 8;
/** Shares of a host's places that may be taken by the first steps of jobs, and by one user. */
const OF_BEGINNING = 3 / 4;
const OF_USER_AT_HOST = 3 / 4;

const LEAST_MS = 500;
const MOST_MS = 60_000;
/** The time to ask again is a little too early on purpose: to ask in vain costs less than a place that stays empty. */
const EARLY = 0.7;
/** A new request leaves places free for waiting ones that will ask again within this time. */
const SOON_MS = 1_000;
/** A request that was not repeated for so long after its time is forgotten: its job was probably cancelled. */
const GONE_MS = 60_000;
const FIRST_GUESS_MS = 100;
const SMOOTHING = 0.1;

/** The requests that wait for places at one host, in the order in which they were first made. */
interface Line {
  waiting: Map<string, { user: string; due: number }>;
  /** Average milliseconds from one place that becomes free to the next one, while requests wait. */
  intervalMs: number;
  freedAt: number;
}

/** @param all how many places the worker has */
export function createPlaces(all: number, now = (): number => performance.now()): Places {
  const taken = new Map<string, number>();
  const lines = new Map<string, Line>();
  const count = (key: string): number => taken.get(key) ?? 0;

  function roomFor({ where, user, kind }: Ask): number {
    const share = (kind === 'order' ? OF_ORDERS : OF_HOST) * (kind === 'begins' ? OF_BEGINNING : 1);
    const ofHost = Math.floor(all * share);
    const { host, mine } = keysOf(where, user, kind);
    const ofAll = Math.min(all - count(ALL), all * OF_USER - count(userKey(user)));
    // a user without any place at this host does not wait for users who have many there
    if (count(mine) === 0) return ofAll;
    return Math.min(ofAll, ofHost - count(host), Math.floor(ofHost * OF_USER_AT_HOST) - count(mine));
  }

  function enter({ where, user, kind }: Ask): () => void {
    const { host, mine } = keysOf(where, user, kind);
    const keys = [ALL, userKey(user), host, mine];
    for (const key of keys) taken.set(key, count(key) + 1);
    let isOut = false;
    return () => {
      if (isOut) return;
      isOut = true;
      for (const key of keys) {
        if (count(key) > 1) taken.set(key, count(key) - 1);
        else taken.delete(key);
      }
      const line = lines.get(host);
      if (!line) return;
      line.intervalMs += SMOOTHING * (now() - line.freedAt - line.intervalMs);
      line.freedAt = now();
    };
  }

  function turnAway(ask: Ask, line: Line): { againMs: number } {
    const own = [...line.waiting].filter(([, { user }]) => user === ask.user);
    const known = own.findIndex(([id]) => id === ask.id);
    const before = known < 0 ? own.length : known;
    const users = new Set([...line.waiting.values()].map(({ user }) => user)).add(ask.user).size;
    // the longer no place becomes free, the later the request is told to ask again
    const interval = Math.max(line.intervalMs, (now() - line.freedAt) / 10);
    const ms = EARLY * (before + 1) * users * interval;
    const againMs = Math.min(MOST_MS, Math.max(LEAST_MS, ms)) * (1 + Math.random() * 0.1);
    line.waiting.set(ask.id, { user: ask.user, due: now() + againMs });
    return { againMs };
  }

  return {
    take(ask) {
      const { host } = keysOf(ask.where, ask.user, ask.kind);
      const line: Line = lines.get(host) ?? {
        waiting: new Map(),
        intervalMs: FIRST_GUESS_MS,
        freedAt: now(),
      };
      for (const [id, { due }] of line.waiting) if (due + GONE_MS < now()) line.waiting.delete(id);
      const goesFirst = line.waiting.has(ask.id) || ask.kind !== 'begins';
      const promised = goesFirst ? 0 : dueSoon(line, ask.user, now() + SOON_MS);
      if (roomFor(ask) > promised) {
        line.waiting.delete(ask.id);
        if (line.waiting.size === 0) lines.delete(host);
        return enter(ask);
      }
      lines.set(host, line);
      return turnAway(ask, line);
    },
  };
}

const ALL = 'all';
const userKey = (user: string): string => `user ${user}`;
const keysOf = (where: string, user: string, kind: Ask['kind']): { host: string; mine: string } => {
  const host = `${kind === 'order' ? 'orders' : 'steps'} ${where}`;
  return { host, mine: `${host} ${user}` };
};

const dueSoon = ({ waiting }: Line, of: string, before: number): number =>
  [...waiting.values()].filter(({ user, due }) => user === of && due < before).length;
