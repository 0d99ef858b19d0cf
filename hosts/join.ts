import type { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';

import { KilimError } from '../domain/errors.js';
import type { Host, RemoteStream } from './host.js';
import { treeFault } from './rooted.js';

export interface Side {
  host: Host;
  script: string;
  /** For messages. */
  path: string;
}

interface Ends {
  source: End;
  target: End;
}
type End = Awaited<RemoteStream['done']>;

/**
 * Runs a command on each side, the output of the first as the input of the second, through this process.
 * When one side fails the other is ended, and the failure of the one that failed is thrown.
 */
export async function join(
  from: Side & { stdin?: Buffer | undefined },
  to: Side,
  through: Transform,
  signal: AbortSignal,
): Promise<Ends> {
  const stop = new AbortController();
  const either = AbortSignal.any([signal, stop.signal]);
  const open = ({ host, script }: Side): Promise<RemoteStream> => host.stream(script, { signal: either });
  let out: RemoteStream;
  let into: RemoteStream;
  try {
    if (turnOf(from.host) <= turnOf(to.host)) {
      out = await open(from);
      into = await open(to);
    } else {
      into = await open(to);
      out = await open(from);
    }
  } catch (error) {
    stop.abort();
    throw error;
  }
  out.stdin.on('error', () => undefined);
  out.stdin.end(from.stdin);
  into.stdout.on('error', () => undefined);
  into.stdout.resume();
  // a target that fails breaks the pipe; a source that fails only ends it early
  const hasBroken = pipeline(out.stdout, through, into.stdin).then(
    () => false,
    () => true,
  );
  const [source, target] = await Promise.allSettled([out.done, into.done]);
  const order = (await hasBroken) ? [target, source] : [source, target];
  for (const end of order) {
    if (end.status === 'rejected') throw end.reason;
    const { exitCode } = end.value;
    if (exitCode !== 0 && exitCode !== null && !isHarmless(end.value))
      throw treeFault({ ...end.value, stdout: '' }, end === source ? from.path : to.path);
  }
  if (source.status === 'rejected' || target.status === 'rejected' || (await hasBroken))
    throw new KilimError('TRANSFER_FAILED', `The transfer of ${from.path} broke.`);
  if (source.value.exitCode === null || target.value.exitCode === null)
    throw new KilimError('TRANSFER_FAILED', `The transfer of ${from.path} was killed on the host.`);
  return { source: source.value, target: target.value };
}

const turns = new WeakMap<Host, number>();
let lastTurn = 0;

/** Who holds a place at one host while he waits for one at another must ask both in the same order as all others. */
function turnOf(host: Host): number {
  const turn = turns.get(host) ?? ++lastTurn;
  turns.set(host, turn);
  return turn;
}

/** tar ends with 1 where a file grew, or was removed, while it was read, as those of something that still runs may be. */
export const isHarmless = ({ exitCode, stderr }: End): boolean =>
  exitCode === 1 &&
  stderr !== '' &&
  stderr
    .trim()
    .split('\n')
    .every((line) => /: (file changed as|File removed before) we read it$/.test(line));
