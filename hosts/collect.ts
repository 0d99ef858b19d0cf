import type { Readable } from 'node:stream';

const LIMIT = 64 * 1024 * 1024;

/** Reads both outputs to their ends as text; past the limit the rest is dropped. */
export async function collect(
  stdout: Readable,
  stderr: Readable,
  limit = LIMIT,
): Promise<{ stdout: string; stderr: string }> {
  const [out, err] = await Promise.all([head(stdout, limit), head(stderr, limit)]);
  return { stdout: out, stderr: err };
}

const head = (stream: Readable, limit: number): Promise<string> => {
  const chunks: Buffer[] = [];
  let size = 0;
  return consume(stream, (chunk) => {
    if (size < limit) chunks.push(chunk);
    size += chunk.length;
  }).then(() => Buffer.concat(chunks).toString('utf8'));
};

/** Reads to the end and keeps the last bytes only. */
export const tail = (stream: Readable, limit: number): Promise<string> => {
  let kept = Buffer.alloc(0);
  return consume(stream, (chunk) => {
    kept = Buffer.concat([kept, chunk]).subarray(-limit);
  }).then(() => kept.toString('utf8'));
};

const consume = (stream: Readable, take: (chunk: Buffer) => void): Promise<void> =>
  new Promise((resolve) => {
    stream.on('data', take);
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
