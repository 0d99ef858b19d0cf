import { pipeline, type Readable } from 'node:stream';

import { KilimError } from '../domain/errors.js';
import { shownUrl } from '../domain/files/shown-url.js';
import { copyBigFile, counting } from './copy-big-file.js';
import { openUrl } from './fetch-url.js';
import { writeFile } from './files.js';
import type { Host } from './host.js';
import { join } from './join.js';
import { fileFault, rooted, rootedAll } from './rooted.js';
import { tarMeter, type Counted } from './tar-meter.js';

interface To {
  to: Host;
  toRoot: string;
  /** Below toRoot; a source file goes *to* it, a source directory's content *into* it. */
  toPath: string;
  signal: AbortSignal;
  onProgress: (bytes: number, files: number) => void;
}

export interface CopyTree extends To {
  from: Host;
  fromRoot: string;
  fromPath: string;
  /** Both ends are one system: nothing leaves the host. */
  sameHost: boolean;
  /** Regular files relative to fromPath; absent: everything. */
  filter?: string[];
}

/** From here on a single file is worth a checksum and a way to resume. */
const BIG_BYTES = 64 * 1024 * 1024;

/**
 * Copies a file or a tree. Between hosts it is one stream through this process, without touching its disk.
 * Safe to repeat: what is there is replaced.
 * @throws KilimError PATH_NOT_FOUND (no source), HOST_*, DISK_FULL, REMOTE_ACCESS_DENIED, TRANSFER_FAILED
 */
export async function copyTree(copy: CopyTree): Promise<Counted> {
  const { from, to, fromPath, toPath, signal } = copy;
  const list = copy.filter ? Buffer.from(copy.filter.map((file) => `./${file}\0`).join('')) : undefined;
  if (copy.sameHost) return copyOnHost(copy, list);
  const file = await describe(copy);
  if (file && file.size >= BIG_BYTES) {
    await copyBigFile({ ...copy, ...file });
    return { bytes: file.size, files: 1 };
  }
  const meter = tarMeter(copy.onProgress);
  const pack = [...rooted(copy.fromRoot, fromPath), ...(file ? PACK_FILE : packDir(list))];
  const unpack = [...rooted(copy.toRoot, toPath), ...(file ? UNPACK_FILE : UNPACK_DIR)];
  await join(
    { host: from, path: fromPath, script: pack.join('\n'), stdin: list },
    { host: to, path: toPath, script: unpack.join('\n') },
    meter,
    signal,
  );
  return meter.counted();
}

/** Null for a directory. */
const describe = ({ from, fromRoot, fromPath, signal }: CopyTree) =>
  from.run(
    {
      line: [
        ...rooted(fromRoot, fromPath),
        '[ -e "$path" ] || exit 66',
        'if [ -d "$path" ]; then echo dir; else stat -L -c "%s %Y %a" -- "$path"; fi',
      ].join('\n'),
      parse: (reply) => {
        if (reply.exitCode !== 0) throw fileFault(reply, fromPath);
        const [size = '', modified, mode = ''] = reply.stdout.trim().split(' ');
        return size === 'dir' ? null : { size: Number(size), modified: Number(modified), mode };
      },
    },
    { signal },
  );

const packDir = (list: Buffer | undefined): string[] => [
  'cd -- "$path" || exit',
  list ? 'exec tar --null --no-recursion -cf - -T -' : 'exec tar -cf - .',
];

// -h: a link to a file is sent as the file; a name of its own inside the stream: the target may be called otherwise
const PACK_FILE = [
  'cd -- "$(dirname -- "$path")" || exit',
  `exec tar -h --transform 's,.*,file,' -cf - -- "./$(basename -- "$path")"`,
];

// tar ends at the archive's end mark; the padding behind it must still be taken, or the sender's pipe breaks
const DRAIN = 'cat > /dev/null';

const UNPACK_DIR = ['mkdir -p -- "$path" && tar --no-same-owner -xf - -C "$path" || exit', DRAIN];

const UNPACK_FILE = [
  '[ -d "$path" ] && { echo "a directory is in the way" >&2; exit 65; }',
  'dir=$(dirname -- "$path"); mkdir -p -- "$dir" || exit',
  'tmp=$(mktemp -d -- "$dir/.kilim-XXXXXX") || exit; trap \'rm -rf -- "$tmp"\' EXIT',
  'tar --no-same-owner -xf - -C "$tmp" || exit',
  DRAIN,
  '[ -e "$tmp/file" ] || { echo "nothing came" >&2; exit 1; }',
  'mv -fT -- "$tmp/file" "$path"',
];

const COUNT = `awk '{ files++; bytes += $1 } END { printf "%d %d", files, bytes }'`;

async function copyOnHost(copy: CopyTree, list: Buffer | undefined): Promise<Counted> {
  const counted = await copy.from.run(
    {
      line: [
        ...rootedAll([
          { rootDir: copy.toRoot, path: copy.toPath },
          { rootDir: copy.fromRoot, path: copy.fromPath },
        ]),
        'target=${paths[0]} path=${paths[1]}',
        '[ -e "$path" ] || exit 66',
        '[ "$path" = "$target" ] && exit 0',
        'if [ -d "$path" ]; then mkdir -p -- "$target" && cd -- "$path" || exit',
        ...(list ? COPY_LISTED : COPY_ALL),
        'else { [ -d "${target%/*}/" ] || mkdir -p -- "${target%/*}/"; } && cp -afL -- "$path" "$target" || exit',
        'stat -L -c "1 %s" -- "$path"; fi',
      ].join('\n'),
      ...(list ? { stdin: list } : {}),
      timeoutSeconds: 12 * 3600,
      parse: (reply) => {
        if (reply.exitCode !== 0) throw fileFault(reply, copy.fromPath);
        const [files, bytes] = reply.stdout.trim().split(' ').map(Number);
        return { files: files ?? 0, bytes: bytes ?? 0 };
      },
    },
    { signal: copy.signal },
  );
  copy.onProgress(counted.bytes, counted.files);
  return counted;
}

const COPY_ALL = ['  cp -af -- . "$target/" || exit', `  find . -type f -printf '%s\\n' | ${COUNT}`];

const COPY_LISTED = [
  "  mapfile -d '' -t list",
  '  printf \'%s\\0\' "${list[@]}" | tar --null --no-recursion -cf - -T - | { tar -xf - -C "$target" && cat > /dev/null; }',
  '  for code in "${PIPESTATUS[@]}"; do [ "$code" = 0 ] || exit "$code"; done',
  `  printf '%s\\0' "\${list[@]}" | xargs -0 -r stat -c %s -- | ${COUNT}`,
];

export interface FetchHttp extends To {
  url: string;
  /** Private and loopback addresses are refused unless configured; link-local ones always. */
  allowPrivate: boolean;
}

/** @throws KilimError TRANSFER_FAILED, PATH_NOT_FOUND (404), HOST_*, DISK_FULL */
export async function fetchHttp(fetch: FetchHttp): Promise<void> {
  const { url, to, toRoot, toPath, signal, onProgress, allowPrivate } = fetch;
  // a server is asked only when the host is ready: it does not wait for long
  const open = async (): Promise<Readable> => {
    const body = await openUrl(url, allowPrivate, signal);
    return pipeline(body, counting(0, onProgress), () => undefined);
  };
  await writeFile(to, toRoot, toPath, open, signal).catch((error: unknown) => {
    throw brokenBody(error, url);
  });
}

const brokenBody = (error: unknown, url: string): unknown =>
  error instanceof KilimError
    ? error
    : new KilimError(
        'TRANSFER_FAILED',
        `${shownUrl(url)} broke off: ${error instanceof Error ? error.message : String(error)}`,
      );
