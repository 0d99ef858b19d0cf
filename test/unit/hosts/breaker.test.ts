import { afterEach, beforeEach, expect, it, vi } from 'vitest';

import { KilimError, type ErrorCode } from '../../../domain/errors.js';
import { createBreaker } from '../../../hosts/breaker.js';

beforeEach(() => vi.useFakeTimers({ toFake: ['performance'] }));
afterEach(() => vi.useRealTimers());

const ALL = ['host', 'login', 'hostKey'] as const;
/** A try that began now and failed after so many milliseconds. */
function aTry(breaker: ReturnType<typeof createBreaker>, code: ErrorCode, ms: number): boolean {
  const since = performance.now();
  vi.advanceTimersByTime(ms);
  return breaker.failed(new KilimError(code, `it is ${code}`, { systemId: 'one' }), since);
}

it.each([
  [10_000, 9_999, 10_000],
  [5, 999, 1_000],
  [1_800_000, 59_999, 60_000],
])(
  'stays open for as long as the failed try took (%i ms), between a second and a minute',
  (took, open, closed) => {
    const breaker = createBreaker(ALL);
    breaker.check();
    expect(aTry(breaker, 'HOST_TIMEOUT', took)).toBe(true);
    vi.advanceTimersByTime(open);
    expect(() => breaker.check()).toThrow('A moment ago the host did not answer: it is HOST_TIMEOUT');
    vi.advanceTimersByTime(closed - open);
    breaker.check();
  },
);

it('closes at once when the host answers', () => {
  const breaker = createBreaker(ALL);
  aTry(breaker, 'HOST_UNREACHABLE', 10_000);
  breaker.heard();
  breaker.check();
});

it('stays closed where the host answered something else since the try began', () => {
  const breaker = createBreaker(ALL);
  const since = performance.now();
  vi.advanceTimersByTime(30_000);
  breaker.heard();
  vi.advanceTimersByTime(30_000);
  expect(breaker.failed(new KilimError('HOST_TIMEOUT', 'a command took too long'), since)).toBe(false);
  breaker.check();
});

it('heeds faults of the host only, or of the login too', () => {
  const breaker = createBreaker(['host']);
  for (const code of ['HOST_LOGIN_REFUSED', 'HOST_KEY_CHANGED', 'REMOTE_COMMAND_FAILED'] as const)
    expect(aTry(breaker, code, 10)).toBe(false);
  expect(breaker.failed(new Error('a fault of the program'), performance.now())).toBe(false);
  breaker.check();
  const ofLogin = createBreaker(ALL);
  expect(aTry(ofLogin, 'HOST_LOGIN_REFUSED', 10)).toBe(true);
  expect(() => ofLogin.check()).toThrow(expect.objectContaining({ code: 'HOST_LOGIN_REFUSED' }) as Error);
});

it('tells each that nothing was sent, with an error of its own and the same words', () => {
  const breaker = createBreaker(ALL);
  aTry(breaker, 'HOST_TIMEOUT', 10);
  const first = breaker.refusal();
  expect(first).toMatchObject({ code: 'HOST_UNREACHABLE', detail: {} });
  expect(breaker.refusal()).not.toBe(first);
  breaker.failed(first, performance.now());
  expect(breaker.refusal().message).toBe(first.message);
});
