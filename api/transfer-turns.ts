import { KilimError } from '../domain/errors.js';
import type { Host } from '../hosts/host.js';
import { LIMITS } from '../hosts/ssh-pool.js';

/**
 * Limits the transfers and long commands of clients at a host. A host has few channels, so one user may hold at most half of
 * the channels for transfers, and a request that waits for a channel fails after a time limit.
 */
export interface TransferTurns {
  /**
   * Waits for a place and returns the function that frees it, which is to be called at the end.
   * @throws KilimError HOST_BUSY after too long a wait, or when the signal is aborted because the client closed the connection
   */
  enter: (kind: Kind, host: Host, user: string, signal: AbortSignal) => Promise<() => void>;
}

/** `transfer`: a stream on a channel of its own. `work`: a command that may take minutes, for instance a copy. */
export type Kind = 'transfer' | 'work';

/** Long commands never take the last shell, so that short commands always find one. */
const MOST: Record<Kind, { perHost: number; perUser: number }> = {
  transfer: { perHost: LIMITS.channels, perUser: LIMITS.channels / 2 },
  work: { perHost: LIMITS.shells - 1, perUser: 2 },
};

interface Waiting {
  user: string;
  pass: () => void;
}

interface Line {
  most: { perHost: number; perUser: number };
  /** How many places each user holds. */
  inside: Map<string, number>;
  waiting: Waiting[];
}

/** Gives the free places to waiting requests: first to the user who holds the fewest places, then in order of arrival. */
function advance({ most, inside, waiting }: Line): void {
  const of = (user: string): number => inside.get(user) ?? 0;
  const total = (): number => [...inside.values()].reduce((sum, count) => sum + count, 0);
  while (total() < most.perHost) {
    let next: Waiting | undefined;
    for (const one of waiting)
      if (of(one.user) < most.perUser && (!next || of(one.user) < of(next.user))) next = one;
    if (!next) return;
    waiting.splice(waiting.indexOf(next), 1);
    inside.set(next.user, of(next.user) + 1);
    next.pass();
  }
}

function leaving(line: Line, user: string): () => void {
  let isOut = false;
  return () => {
    if (isOut) return;
    isOut = true;
    const left = (line.inside.get(user) ?? 1) - 1;
    if (left > 0) line.inside.set(user, left);
    else line.inside.delete(user);
    advance(line);
  };
}

export function createTransferTurns(waitMs: number): TransferTurns {
  const lines = { transfer: new WeakMap<Host, Line>(), work: new WeakMap<Host, Line>() };

  const lineOf = (kind: Kind, host: Host): Line => {
    const line = lines[kind].get(host) ?? {
      most: MOST[kind],
      inside: new Map<string, number>(),
      waiting: [],
    };
    lines[kind].set(host, line);
    return line;
  };

  return {
    enter: (kind, host, user, signal) =>
      new Promise((resolve, reject) => {
        const line = lineOf(kind, host);
        const settle = (): void => {
          clearTimeout(timer);
          signal.removeEventListener('abort', giveUp);
        };
        const me: Waiting = {
          user,
          pass: () => {
            settle();
            resolve(leaving(line, user));
          },
        };
        const giveUp = (): void => {
          settle();
          line.waiting.splice(line.waiting.indexOf(me), 1);
          reject(busy(kind, host, waitMs));
        };
        const timer = setTimeout(giveUp, waitMs);
        signal.addEventListener('abort', giveUp, { once: true });
        line.waiting.push(me);
        if (signal.aborted) giveUp();
        else advance(line);
      }),
  };
}

const busy = (kind: Kind, { name }: Host, waitMs: number): KilimError =>
  new KilimError(
    'HOST_BUSY',
    `${name} serves at most ${MOST[kind].perUser} ${kind === 'transfer' ? 'uploads and downloads' : 'copies, moves and deletions'} of one user at once, ` +
      `and ${MOST[kind].perHost} of all; none ended within ${waitMs / 1000} s.`,
  );
