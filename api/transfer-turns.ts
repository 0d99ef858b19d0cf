import { KilimError } from '../domain/errors.js';
import type { Host } from '../hosts/host.js';
import { LIMITS } from '../hosts/ssh-pool.js';

/**
 * What clients have under way at a host. A host has few channels, so that one user may have half of those for transfers at
 * most, and nobody waits for one without end.
 */
export interface TransferTurns {
  /**
   * Resolves with the way out, to be called once it is over.
   * @throws KilimError HOST_BUSY after too long a wait, or when the signal says that the client has gone
   */
  enter: (kind: Kind, host: Host, user: string, signal: AbortSignal) => Promise<() => void>;
}

/** `transfer`: a stream, on a channel of its own. `work`: a command that may take minutes, as a copy does. */
export type Kind = 'transfer' | 'work';

/** One place for commands is always left to those that are soon over. */
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
  /** Transfers under way, by user. */
  inside: Map<string, number>;
  waiting: Waiting[];
}

/** Lets in as many as there is room for: the user with the fewest under way first, then the one that came first. */
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
