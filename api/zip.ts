import { PassThrough, Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

import { ZipArchive } from 'archiver';
import tar from 'tar-stream';

import { KilimError } from '../domain/errors.js';
import type { Host, RemoteStream } from '../hosts/host.js';
import { isHarmless } from '../hosts/join.js';
import { tarOf } from '../hosts/read-files.js';
import { fileFault, type Root } from '../hosts/rooted.js';
import { tarMeter } from '../hosts/tar-meter.js';

/** A zip ends with a list of its entries, which stays in memory until then and takes some hundred bytes per entry. */
const MAX_ENTRIES = 100_000;

/**
 * A directory or file as a zip stream: the host sends tar, this process packs it again without touching its disk. An
 * abort, or destroying the stream, ends the command on the host.
 */
export async function zipOf(host: Host, root: Root, path: string, signal: AbortSignal): Promise<Readable> {
  const source = await host.stream(tarOf(root, path, MAX_ENTRIES), { signal });
  source.stdin.end();
  const archive = new ZipArchive({ zlib: { level: 1 } });
  const out = new PassThrough();
  const fail = (error: unknown): void => {
    out.destroy(error instanceof Error ? error : new Error(String(error)));
  };
  archive.on('error', fail);
  archive.pipe(out);
  const entries = unpacked(archive, path, fail);
  out.once('close', () => {
    if (out.readableEnded) return;
    const gone = new Error('the reader has gone');
    archive.abort();
    source.stdout.destroy(gone);
    entries.destroy(gone);
  });
  void allSent(source, entries, path).then(() => archive.finalize(), fail);
  return out;
}

/** Resolves when the host has sent everything and its command succeeded: only then may the zip end as a complete one. */
async function allSent(source: RemoteStream, entries: tar.Extract, path: string): Promise<void> {
  const [sent, end] = await Promise.allSettled([
    pipeline(
      source.stdout,
      tarMeter(() => undefined),
      entries,
    ),
    source.done,
  ]);
  if (end.status === 'rejected') throw end.reason;
  if (end.value.exitCode !== null && end.value.exitCode !== 0 && !isHarmless(end.value))
    throw fileFault({ ...end.value, stdout: '' }, path);
  if (sent.status === 'rejected') throw sent.reason;
  if (end.value.exitCode === null) throw fileFault({ ...end.value, stdout: '' }, path);
}

/** Reads a tar stream into the archive, one entry after the other. */
function unpacked(archive: ZipArchive, path: string, fail: (error: unknown) => void): tar.Extract {
  const entries = tar.extract();
  let count = 0;
  entries.on('entry', (header, stream, next) => {
    stream.on('error', () => undefined);
    const isBelow = header.name.startsWith('./');
    const name = isBelow ? header.name.replace(/^\.\/|\/$/g, '') : (path.split('/').findLast(Boolean) ?? '');
    if (header.type !== 'file' || name === '') {
      stream.resume();
      stream.on('end', next);
      return;
    }
    if (++count > MAX_ENTRIES || name.split('/').includes('..'))
      return fail(
        new KilimError(
          'REMOTE_COMMAND_FAILED',
          `The host sent of ${path} what was not asked for: a name with "..", or more than ${MAX_ENTRIES} files.`,
        ),
      );
    stream.on('end', next);
    const content = Readable.from(stream);
    content.on('error', () => undefined); // it fails together with the tar stream; `allSent` reports the error
    archive.append(content, {
      name,
      ...(header.mode !== undefined ? { mode: header.mode } : {}),
    });
  });
  entries.on('error', () => undefined); // `allSent` reports the error
  return entries;
}
