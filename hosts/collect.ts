import type { Readable } from 'node:stream';

const LIMIT = 64 * 1024 * 1024;

/** Reads both outputs to their ends as text; past the limit the rest is dropped. */
export async function collect(
  stdout: Readable | null,
  stderr: Readable | null,
  limit = LIMIT,
): Promise<{ stdout: string; stderr: string }> {
  const [out, err] = await Promise.all([text(stdout, limit), text(stderr, limit)]);
  return { stdout: out, stderr: err };
}

const text = (stream: Readable | null, limit: number): Promise<string> =>
  new Promise((resolve) => {
    if (!stream) return resolve('');
    const chunks: Buffer[] = [];
    let size = 0;
    const finish = (): void => resolve(Buffer.concat(chunks).toString('utf8'));
    stream.on('data', (chunk: Buffer) => {
      if (size < limit) chunks.push(chunk);
      size += chunk.length;
    });
    stream.on('end', finish);
    stream.on('close', finish);
    stream.on('error', finish);
  });
