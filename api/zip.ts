import { PassThrough, Readable } from 'node:stream';

import { ZipArchive } from 'archiver';
import tar from 'tar-stream';

import { fileFault, tarOf } from '../hosts/files.js';
import type { Host } from '../hosts/host.js';
import type { Root } from '../hosts/rooted.js';

/** A directory or file as a zip stream: the host sends tar, this process packs it again without touching its disk. */
export async function zipOf(host: Host, root: Root, path: string): Promise<Readable> {
  const source = await host.stream(tarOf(root, path));
  source.stdin.end();
  const archive = new ZipArchive({ zlib: { level: 1 } });
  const out = new PassThrough();
  archive.pipe(out);
  archive.on('error', (error: Error) => out.destroy(error));
  const entries = tar.extract();
  entries.on('entry', (header, stream, next) => {
    const isBelow = header.name.startsWith('./');
    const name = isBelow ? header.name.replace(/^\.\/|\/$/g, '') : (path.split('/').findLast(Boolean) ?? '');
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
