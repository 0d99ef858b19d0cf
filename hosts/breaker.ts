import { KilimError, meaningOf, type RecoverySubject } from '../domain/errors.js';

/**
 * Remembers that a host did not answer. While it is open nothing is sent there: what waits fails at once, and what comes
 * fails without a try, so that neither holds a place of the worker or a request of the API.
 */
export interface Breaker {
  /** @throws KilimError that says why, while it is open */
  check: () => void;
  /** The host answered: what comes is sent again. */
  heard: () => void;
  /**
   * Something that began at `since` (of `performance.now()`) failed.
   * @returns true where that opened the breaker: the fault is the host's, and nothing else was heard of it meanwhile
   */
  failed: (error: unknown, since: number) => boolean;
  /** What each that waited is told. A new error each time, because every error notes where it happened. */
  refusal: () => KilimError;
}

/** It stays open for as long as the failed try took, within these limits; a probe that is answered closes it before. */
const LEAST_MS = 1_000;
const MOST_MS = 60_000;

const AGAIN = 'A moment ago the host did not answer: ';

/** @param subjects which faults count: of the host, or of the login too */
export function createBreaker(subjects: readonly RecoverySubject[]): Breaker {
  let until = -Infinity;
  let heardAt = -Infinity;
  let last = new KilimError('HOST_UNREACHABLE', 'the host did not answer');
  const refusal = (): KilimError => {
    const { code, message } = last;
    if (meaningOf(code).recover !== 'host') return new KilimError(code, message);
    // nothing was sent, so no outcome is unknown
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
