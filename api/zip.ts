import { PassThrough, Readable } from 'node:stream';

import { ZipArchive } from 'archiver';
import tar from 'tar-stream';

import type { Host } from '../hosts/host.js';
import { tarOf } from '../hosts/read-files.js';
import { fileFault } from '../hosts/rooted.js';

/** A directory or file as a zip stream: the host sends tar, this process packs it again without touching its disk. */
export async function zipOf(host: Host, rootDir: string, path: string): Promise<Readable> {
  const source = await host.stream(tarOf(host, rootDir, path));
  source.stdin.end();
  const archive = new ZipArchive({ zlib: { level: 1 } });
  const out = new PassThrough();
  archive.pipe(out);
  archive.on('error', (error: Error) => out.destroy(error));
  const entries = tar.extract();
  entries.on('entry', (header, stream, next) => {
    const name = header.name.replace(/^\.\/|\/$/g, '');
    if (header.type !== 'file' || name === '') {
      stream.resume();
      stream.on('end', next);
      return;
    }
    stream.on('end', next);
    archive.append(Readable.from(stream), {
      name,
      ...(header.mode !== undefined ? { mode: header.mode } : {}),
    });
  });
  entries.on('finish', () => void archive.finalize());
  entries.on('error', (error) => out.destroy(error));
  source.stdout.pipe(entries);
  source.done.then(
    ({ exitCode, stderr }) => {
      if (exitCode !== 0) out.destroy(fileFault({ exitCode, stderr, stdout: '' }, path));
    },
    (error: unknown) => out.destroy(error instanceof Error ? error : new Error(String(error))),
  );
  return out;
}
