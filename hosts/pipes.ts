import { PassThrough, Readable } from 'node:stream';
import { finished, pipeline } from 'node:stream/promises';

import type { RemoteStream } from './host.js';
import { fileFault } from './rooted.js';

/**
 * The output of a command as a stream that fails when the command does: before the first byte this rejects,
 * after it the stream is destroyed. Destroying the stream ends the command.
 */
export async function checked({ stdout, done }: RemoteStream, path: string): Promise<Readable> {
  const out = new PassThrough({ highWaterMark: 1024 * 1024 });
  const first = new Promise<void>((resolve) => stdout.once('data', () => resolve()));
  const over = finished(stdout, { writable: false }).catch(() => undefined);
  stdout.pipe(out, { end: false });
  const fate = done.then(async (end) => {
    if (end.exitCode !== 0) throw fileFault({ ...end, stdout: '' }, path);
    await over;
  });
  fate.catch(() => undefined);
  await Promise.race([first, fate]);
  fate.then(
    () => out.end(),
    (error: unknown) => out.destroy(error instanceof Error ? error : new Error(String(error))),
  );
  out.on('close', () => {
    if (!out.readableEnded) stdout.destroy(new Error('the reader has gone'));
  });
  stdout.on('error', () => undefined); // `done` says it
  return out;
}

/** Sends a stream to a command and waits for its end; where both fail, the command's own words count. */
export async function feed(source: Readable, stream: RemoteStream, path: string): Promise<void> {
  const moved = pipeline(source, stream.stdin).then(
    () => null,
    (error: unknown) => ({ error }),
  );
  const end = await Promise.race([
    stream.done,
    moved.then((broken) => broken && stream.done.catch(() => null)),
  ]).then((first) => first ?? stream.done.catch((error: unknown) => ({ error })));
  if (!('exitCode' in end)) throw (await moved)?.error ?? end.error;
  // a command that failed takes no more; one that was ended by a signal was ended by this side
  if (end.exitCode !== 0) source.destroy();
  const broken = await moved;
  if (end.exitCode === 0 && !broken) return;
  if (broken && (end.exitCode === 0 || end.exitCode === null)) throw broken.error;
  throw fileFault({ ...end, stdout: '' }, path);
}
