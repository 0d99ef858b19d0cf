import { createHash } from 'node:crypto';
import { isIPv6 } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

import { RateLimiterMemory } from 'rate-limiter-flexible';

import { KilimError } from '../../domain/errors.js';

const WINDOW_SECONDS = 900;
/** After so many failures within the window, the pair of a name and an address is refused. */
const OF_PAIR = 10;
/**
 * After so many failures within the window at an address, its further failures are answered late. The number is higher than for
 * a pair, because the users of an office share an address and mistype passwords.
 */
const OF_ADDRESS = 20;
const LATER_MS = 10;
const LATEST_MS = 1_000;
/** Unknown names can be invented without end, so failures of at most so many new names are kept in memory for a window. */
const UNKNOWN_NAMES = 20_000;

export interface Trial {
  /** The kind of the name; a user and a client of the same name are counted separately. */
  kind: 'user' | 'client';
  name: string;
  address: string;
  isKnown: boolean;
}

/** Counts failed log-ins, delays the answers to them, and refuses further attempts. */
export interface Guesses {
  /**
   * Tries a secret and returns whether it was right. The trials of one pair of name and address are made one after the other,
   * so that simultaneous guesses are each counted. After too many failures the pair is refused, even with the right secret; no
   * other pair is refused, and a right secret is never answered late.
   * @throws KilimError TOO_MANY_REQUESTS, with the seconds until the pair may try again
   */
  attempt: (trial: Trial, isRight: () => Promise<boolean>) => Promise<boolean>;
  /** Counts a failure at an address without a name, and waits as long as the number of failures at that address asks for. */
  failed: (address: string) => Promise<void>;
}

/** The counts are kept in this process: each of several API processes has its own. */
export function createGuesses(): Guesses {
  const pairs = new RateLimiterMemory({ points: OF_PAIR, duration: WINDOW_SECONDS });
  const addresses = new RateLimiterMemory({ points: Number.MAX_SAFE_INTEGER, duration: WINDOW_SECONDS });
  const isKept = limitOfNames();
  const turns = new Map<string, Promise<unknown>>();

  /** Counts a trial before its result is known, so that many simultaneous trials delay each other's answers. */
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
      const name = createHash('sha256').update(trial.name).digest('base64url'); // a key of fixed length, however long the name is
      const pair = `${trial.kind} ${networkOf(trial.address)} ${name}`;
      const late = await begin(trial.address);
      const answer = await inTurn(turns, pair, () => oneTrial(pair, trial, isRight));
      await (answer ? late.forget() : late.wait());
      return answer;
    },
  };
}

/** The delay of the answer to a failure, which is the same for existing and for unknown names. */
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

/** Limits how many unknown names are remembered in a window, so that a flood of them cannot fill the memory. */
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

/** What is counted as one address: for IPv6 the first 64 bits, because one machine usually has the whole network behind them. */
export function networkOf(address: string): string {
  const ipv4 = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (ipv4) return ipv4;
  if (!isIPv6(address)) return address;
  const [head = '', tail] = (address.split('%')[0] ?? '').split('::');
  const front = head === '' ? [] : head.split(':');
  const back = tail ? tail.split(':') : [];
  // a last part in dotted notation (1.2.3.4) stands for two groups
  const zeros = 8 - front.length - back.length - (address.includes('.') ? 1 : 0);
  const groups =
    tail === undefined ? front : [...front, ...Array<string>(Math.max(0, zeros)).fill('0'), ...back];
  return groups.slice(0, 4).map((group) => parseInt(group, 16).toString(16)).join(':'); // prettier-ignore
}
