import { once } from 'node:events';
import { setImmediate as nextTurn } from 'node:timers/promises';

import type { Response } from 'express';

import { envelopeAround } from './reply.js';
import type { Answer } from './route.js';

/** Records per slice: whole documents may be large, while one query can read many summaries. */
const WHOLE_SLICE = 10;
const SUMMARY_SLICE = 400;
/** After so many milliseconds of work the event loop is given to other requests. */
const TURN_MS = 20;
/** The connection is closed when the client reads nothing for so long. */
const IDLE_MS = 60_000;

/** Reads a page slice by slice, so that no more than one slice of it is in memory. */
export async function* sliced<K, R>(
  keys: readonly K[],
  isWhole: boolean,
  read: (some: readonly K[]) => Promise<R[]>,
): AsyncGenerator<R[]> {
  const size = isWhole ? WHOLE_SLICE : SUMMARY_SLICE;
  for (let from = 0; from < keys.length; from += size) yield await read(keys.slice(from, from + size));
}

/**
 * The items one after the other. Between two of them the event loop is given to other requests when it was held for long enough;
 * awaiting answers of SQLite does not do that.
 */
export async function* oneByOne<T>(items: readonly T[]): AsyncGenerator<T> {
  let since = performance.now();
  for (const item of items) {
    yield item;
    if (performance.now() - since < TURN_MS) continue;
    await nextTurn();
    since = performance.now();
  }
}

/**
 * Sends an envelope whose result is a list, slice by slice as it is read. The first slice is read before the head is sent, so
 * that a store that does not answer still leads to an error envelope. If the store fails later, the connection is closed in
 * the middle of the list.
 */
export async function sendSlices(
  res: Response,
  answer: Answer,
  slices: AsyncIterable<readonly unknown[]>,
): Promise<void> {
  const [before, after] = envelopeAround(answer);
  const reading = slices[Symbol.asyncIterator]();
  let slice = await reading.next();
  res.statusCode = answer.status ?? 200;
  res.setHeader('Content-Type', 'application/json');
  res.setTimeout(IDLE_MS, () => res.destroy());
  res.write(before);
  let separator = '';
  let since = performance.now();
  for (; !slice.done; slice = await reading.next()) {
    for (const record of slice.value) {
      const isTaken = res.write(separator + JSON.stringify(record));
      separator = ',';
      if (!isTaken && !(await isDrained(res))) return;
      if (performance.now() - since < TURN_MS) continue;
      await nextTurn();
      since = performance.now();
    }
  }
  res.end(after);
}

/** Waits until the client has read what was written; returns false when the connection was closed. */
async function isDrained(res: Response): Promise<boolean> {
  if (res.destroyed) return false;
  const gone = new AbortController();
  const leave = (): void => gone.abort();
  res.once('close', leave);
  try {
    await once(res, 'drain', { signal: gone.signal });
    return true;
  } catch {
    return false;
  } finally {
    res.off('close', leave);
  }
}
