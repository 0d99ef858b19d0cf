import { createHash } from 'node:crypto';
import { isIPv6 } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

import { RateLimiterMemory } from 'rate-limiter-flexible';

import { KilimError } from '../../domain/errors.js';

const WINDOW_SECONDS = 900;
/** Failures within the window, for a name at an address; then that pair is refused. */
const OF_PAIR = 10;
/** Failures within the window at an address before its failures are answered late: users of one office share an address and mistype. */
const OF_ADDRESS = 20;
const LATER_MS = 10;
const LATEST_MS = 1_000;
/** A guesser can make up any number of unknown names: failures of at most so many new names are kept in a window. */
const UNKNOWN_NAMES = 20_000;

export interface Trial {
  /** Of what kind the name is: each kind is counted by itself. */
  kind: 'user' | 'client';
  name: string;
  address: string;
  isKnown: boolean;
}

/** What failed attempts to log in lead to. */
export interface Guesses {
  /**
   * Tries a secret: true where it was right. Of a pair of name and address one trial is made at a time, so that guesses
   * at the same moment are counted one by one; after too many failures the pair is refused, even with the right secret. No
   * other pair is ever refused, and no right secret is answered late.
   * @throws KilimError TOO_MANY_REQUESTS, with the seconds until the pair may try again
   */
  attempt: (trial: Trial, isRight: () => Promise<boolean>) => Promise<boolean>;
  /** A failure at an address that no pair is counted for. The answer to it comes as late as the address deserves. */
  failed: (address: string) => Promise<void>;
}

/** Counts in this program alone: with several APIs each has its own count. */
export function createGuesses(): Guesses {
  const pairs = new RateLimiterMemory({ points: OF_PAIR, duration: WINDOW_SECONDS });
  const addresses = new RateLimiterMemory({ points: Number.MAX_SAFE_INTEGER, duration: WINDOW_SECONDS });
  const isKept = limitOfNames();
  const turns = new Map<string, Promise<unknown>>();

  /** Counted before it is known whether it fails: of many at once each is then answered as late as their number asks for. */
  async function begin(address: string): Promise<Late> {
    const network = networkOf(address);
    const { consumedPoints } = await addresses.consume(network);
    const ms = Math.min(LATEST_MS, LATER_MS * (consumedPoints - OF_ADDRESS));
    const at = performance.now() + ms;
    return {
      wait: () => (ms > 0 ? sleep(Math.max(0, at - performance.now())) : Promise.resolve()),
      forget: () => addresses.reward(network),
    };
  }

  async function oneTrial(pair: string, trial: Trial, isRight: () => Promise<boolean>): Promise<boolean> {
    const before = await pairs.get(pair);
    if (before && before.remainingPoints <= 0) throw tooMany(trial, before.msBeforeNext);
    if (await isRight()) return true;
    if (trial.isKnown || before || isKept()) await pairs.consume(pair).catch(() => undefined);
    return false;
  }

  return {
    failed: async (address) => (await begin(address)).wait(),
    async attempt(trial, isRight) {
      const name = createHash('sha256').update(trial.name).digest('base64url'); // as long as any other
      const pair = `${trial.kind} ${networkOf(trial.address)} ${name}`;
      const late = await begin(trial.address);
      const answer = await inTurn(turns, pair, () => oneTrial(pair, trial, isRight));
      await (answer ? late.forget() : late.wait());
      return answer;
    },
  };
}

/** When the answer to a failure goes out: the same for a name that is there and for one that is not. */
interface Late {
  wait: () => Promise<void>;
  forget: () => Promise<unknown>;
}

function tooMany({ kind, name }: Trial, ms: number): KilimError {
  const retryAfterSeconds = Math.max(1, Math.ceil(ms / 1000));
  return new KilimError(
    'TOO_MANY_REQUESTS',
    `Too many log-ins of the ${kind} ${name.slice(0, 80)} from this address failed; it may try again in ${retryAfterSeconds} seconds.`,
    { retryAfterSeconds },
  );
}

function inTurn<T>(turns: Map<string, Promise<unknown>>, pair: string, work: () => Promise<T>): Promise<T> {
  const mine = (turns.get(pair) ?? Promise.resolve()).then(work);
  const over = mine
    .catch(() => undefined)
    .then(() => {
      if (turns.get(pair) === over) turns.delete(pair);
    });
  turns.set(pair, over);
  return mine;
}

/** Keeps a flood of names that nobody has from filling the memory. */
function limitOfNames(): () => boolean {
  let count = 0;
  let since = 0;
  return () => {
    const now = performance.now();
    if (now - since > WINDOW_SECONDS * 1000) {
      since = now;
      count = 0;
    }
    return ++count <= UNKNOWN_NAMES;
  };
}

/** Whom an address stands for: of IPv6 the first 64 bits, because a single machine has all addresses behind them. */
export function networkOf(address: string): string {
  const ipv4 = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (ipv4) return ipv4;
  if (!isIPv6(address)) return address;
  const [head = '', tail] = (address.split('%')[0] ?? '').split('::');
  const front = head === '' ? [] : head.split(':');
  const back = tail ? tail.split(':') : [];
  // a last part in dots counts as two
  const zeros = 8 - front.length - back.length - (address.includes('.') ? 1 : 0);
  const groups =
    tail === undefined ? front : [...front, ...Array<string>(Math.max(0, zeros)).fill('0'), ...back];
  return groups.slice(0, 4).map((group) => parseInt(group, 16).toString(16)).join(':'); // prettier-ignore
}
