import { KilimError, meaningOf, type RecoverySubject } from '../domain/errors.js';

/**
 * A circuit breaker: remembers that a host did not answer. While it is open nothing is sent to the host. Commands that wait
 * fail at once and new ones fail without a try, so that none of them holds a place of the worker or a request of the API.
 */
export interface Breaker {
  /** @throws KilimError that says why the breaker is open */
  check: () => void;
  /** The host answered: the breaker closes, and commands are sent again. */
  heard: () => void;
  /**
   * A try that began at `since` (of `performance.now()`) failed.
   * @returns true where that opened the breaker: the fault is the host's, and the host answered nothing else since then
   */
  failed: (error: unknown, since: number) => boolean;
  /** The error for one command that waited or came. A new one each time, because details are added to each error. */
  refusal: () => KilimError;
}

/** The breaker stays open for as long as the failed try took, within these limits, or until the host answers a probe. */
const LEAST_MS = 1_000;
const MOST_MS = 60_000;

const AGAIN = 'A moment ago the host did not answer: ';

/** @param subjects which faults open it: those of the host alone, or those of the login too */
export function createBreaker(subjects: readonly RecoverySubject[]): Breaker {
  let until = -Infinity;
  let heardAt = -Infinity;
  let last = new KilimError('HOST_UNREACHABLE', 'the host did not answer');
  const refusal = (): KilimError => {
    const { code, message } = last;
    if (meaningOf(code).recover !== 'host') return new KilimError(code, message);
    // what is refused was not sent, so its outcome is not unknown
    return new KilimError('HOST_UNREACHABLE', message.startsWith(AGAIN) ? message : AGAIN + message);
  };
  return {
    check() {
      if (performance.now() < until) throw refusal();
    },
    heard() {
      heardAt = performance.now();
      until = -Infinity;
    },
    failed(error, since) {
      const subject = error instanceof KilimError ? meaningOf(error.code).recover : undefined;
      if (!(error instanceof KilimError) || !subject || !subjects.includes(subject) || heardAt >= since)
        return false;
      const now = performance.now();
      until = now + Math.min(MOST_MS, Math.max(LEAST_MS, now - since));
      last = error;
      return true;
    },
    refusal,
  };
}
