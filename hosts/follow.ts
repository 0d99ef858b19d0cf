import { PassThrough, type Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';

import { KilimError } from '../domain/errors.js';
import type { Host } from './host.js';

/** The lines that Kilim's wrappers write are shorter than 512 bytes; a longer one is not theirs, and is dropped. */
const LINE_BYTES = 4096;
/** Enough for a thousand jobs that end in one second; lines that come faster wait on the host. */
const LINES_PER_SECOND = 1000;
const AT_ONCE = 16;

/**
 * Holds one channel on which a script prints lines for as long as it likes. Its standard input stays open until then:
 * a script that reads it learns when its lines are no longer read. At most 1000 lines a second are taken, 16 at a time.
 * `onLine` must not fail: the lines after it would not be read.
 * Resolves when aborted; rejects with HOST_UNREACHABLE when the link broke or the script ended.
 */
export async function followLines(
  host: Host,
  script: string,
  onLine: (line: string) => Promise<void> | void,
  signal: AbortSignal,
): Promise<void> {
  if (signal.aborted) return;
  const stream = await host.stream(script, { signal });
  // read through a pipe, because a channel that is not read to its end never emits `close`
  const said = stream.stdout.pipe(new PassThrough());
  void takeLines(said, onLine, signal).catch(() => undefined); // `done` says why it broke
  const end = stream.done.finally(() => said.destroy());
  const { exitCode, stderr } = await end.catch((error: unknown) => {
    if (signal.aborted) return { exitCode: 0, stderr: '' };
    // lines are only looked at: nothing is unknown because of a broken link
    if (error instanceof KilimError && error.code === 'OUTCOME_UNKNOWN')
      throw new KilimError('HOST_UNREACHABLE', `The link to ${host.name} broke.`);
    throw error;
  });
  if (!signal.aborted)
    throw new KilimError(
      'HOST_UNREACHABLE',
      `The follower on ${host.name} ended (${exitCode ?? 'killed'}): ${stderr.trim()}`,
    );
}

async function takeLines(
  stdout: Readable,
  onLine: (line: string) => Promise<void> | void,
  signal: AbortSignal,
): Promise<void> {
  const underWay = new Set<Promise<void>>();
  let count = 0;
  let second = performance.now();
  for await (const line of linesOf(stdout)) {
    const work = Promise.resolve(onLine(line)).finally(() => underWay.delete(work));
    underWay.add(work);
    if (underWay.size >= AT_ONCE) await Promise.race(underWay);
    if (signal.aborted) return;
    if (++count < LINES_PER_SECOND) continue;
    await sleep(Math.max(0, 1000 - (performance.now() - second)), undefined, { signal });
    count = 0;
    second = performance.now();
  }
}

async function* linesOf(stdout: Readable): AsyncGenerator<string> {
  let rest = '';
  let isTooLong = false;
  for await (const piece of stdout as AsyncIterable<Buffer>) {
    const lines = (rest + piece.toString('latin1')).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      if (!isTooLong && line.length <= LINE_BYTES) yield line;
      isTooLong = false;
    }
    if (rest.length <= LINE_BYTES) continue;
    isTooLong = true;
    rest = '';
  }
}
