import type { Readable } from 'node:stream';

import { KilimError } from '../domain/errors.js';
import { MAX_REPLY_BYTES, type RemoteCommand } from '../domain/remote-command.js';

/** Of a command's stderr, in bytes; the rest is dropped. */
export const STDERR_BYTES = 64 * 1024;

/** Takes the output of a command as it comes. */
export interface Sink {
  take: (chunk: Buffer) => void;
  text: () => string;
}

/** Keeps the first bytes and drops the rest. */
export function keeping(most: number): Sink {
  const chunks: Buffer[] = [];
  let size = 0;
  return {
    take: (chunk) => {
      if (size < most) chunks.push(chunk.subarray(0, most - size));
      size += chunk.length;
    },
    text: () => Buffer.concat(chunks).toString('utf8'),
  };
}

/**
 * Standard output of a command, kept or handed on. `onFault` is called once where the host sends more bytes than a reply may
 * have, or where the command's own reader refuses them; the rest is then dropped.
 */
export function sinkOf(command: RemoteCommand<unknown>, name: string, onFault: (error: Error) => void): Sink {
  const { maxReplyBytes = MAX_REPLY_BYTES, onOutput } = command;
  const kept = keeping(maxReplyBytes);
  const take = onOutput ?? kept.take;
  let size = 0;
  let hasFailed = false;
  return {
    take: (chunk) => {
      if (hasFailed) return;
      size += chunk.length;
      try {
        if (size > maxReplyBytes)
          throw new KilimError(
            'REMOTE_COMMAND_FAILED',
            `${name} sent more than ${maxReplyBytes} bytes, which is no answer to the command.`,
          );
        take(chunk);
      } catch (error) {
        hasFailed = true;
        onFault(error instanceof Error ? error : new Error(String(error)));
      }
    },
    text: () => (onOutput ? '' : kept.text()),
  };
}

/** Reads to the end and keeps the last bytes only. */
export const tail = (stream: Readable, limit: number): Promise<string> => {
  let kept = Buffer.alloc(0);
  return consume(stream, (chunk) => {
    kept = Buffer.concat([kept, chunk]).subarray(-limit);
  }).then(() => kept.toString('utf8'));
};

/** How long pieces are handled in a row, in milliseconds: one turn of the event loop may read megabytes. */
const TURN_MS = 10;

/** Takes pieces of a stream as they come, and pauses for one turn of the event loop where that takes long. */
export function paced(stream: Readable, take: (chunk: Buffer) => void): (chunk: Buffer) => void {
  let spent = 0;
  return (chunk) => {
    const begin = performance.now();
    take(chunk);
    spent += performance.now() - begin;
    if (spent < TURN_MS) return;
    stream.pause();
    setImmediate(() => {
      spent = 0;
      stream.resume();
    });
  };
}

/** Reads to the end. */
export const consume = (stream: Readable, take: (chunk: Buffer) => void): Promise<void> =>
  new Promise((resolve) => {
    stream.on('data', paced(stream, take));
    for (const event of ['end', 'close', 'error']) stream.on(event, () => resolve());
  });

/**
 * Resolves when the streams have been silent for a while. For a command that has ended but whose
 * background child still holds the pipe: waiting for the end would take as long as the child.
 */
export const silence = (streams: Readable[], quietMs: number): Promise<void> =>
  new Promise((resolve) => {
    const timer = setTimeout(resolve, quietMs);
    for (const stream of streams) stream.on('data', () => timer.refresh());
  });
