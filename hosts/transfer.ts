import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';

import { KilimError } from '../domain/errors.js';
import { fileFault, rooted, writeFile } from './files.js';
import type { Host } from './host.js';

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

/**
 * Copies a file or a tree. Between hosts it is one tar stream through this process, without touching its disk.
 * @throws KilimError PATH_NOT_FOUND (no source), HOST_*, DISK_FULL, REMOTE_ACCESS_DENIED, TRANSFER_FAILED
 */
export async function copyTree(copy: CopyTree): Promise<void> {
  const { from, to, fromPath, signal } = copy;
  const list = copy.filter ? Buffer.from(copy.filter.map((file) => `./${file}\0`).join('')) : null;
  if (copy.sameHost) return copyOnHost(copy, list);
  const out = await from.stream([...rooted(copy.fromRoot, fromPath), ...pack(list)].join('\n'), { signal });
  out.stdin.on('error', () => undefined);
  out.stdin.end(list ?? undefined);
  const into = await to.stream([...rooted(copy.toRoot, copy.toPath), ...UNPACK].join('\n'), { signal });
  into.stdout.resume();
  const moved = pipeline(out.stdout, counting(copy.onProgress), into.stdin).catch(() => undefined);
  const [source, target] = await Promise.all([out.done, into.done, moved]);
  if (source.exitCode !== 0) throw fileFault({ ...source, stdout: '' }, fromPath);
  if (target.exitCode !== 0) throw fileFault({ ...target, stdout: '' }, copy.toPath);
}

/** The stream starts with one line that says whether a file or a directory follows. */
const pack = (list: Buffer | null): string[] => [
  '[ -e "$path" ] || exit 66',
  'if [ -d "$path" ]; then echo dir; cd "$path" || exit',
  list ? '  exec tar --null --no-recursion -cf - -T -' : '  exec tar -cf - .',
  // a name of its own inside the stream: the target may be called otherwise
  `else echo file; cd "$(dirname -- "$path")" || exit; exec tar --transform 's,.*,file,' -cf - -- "$(basename -- "$path")"; fi`,
];

const UNPACK = [
  'IFS= read -r kind || exit 66',
  'if [ "$kind" = dir ]; then mkdir -p -- "$path" && exec tar --no-same-owner -xf - -C "$path"; fi',
  'dir=$(dirname -- "$path"); mkdir -p -- "$dir" || exit',
  'tmp=$(mktemp -d -- "$dir/.kilim-XXXXXX") || exit; trap \'rm -rf -- "$tmp"\' EXIT',
  'tar --no-same-owner -xf - -C "$tmp" || exit',
  '[ -d "$path" ] && { echo "a directory is in the way" >&2; exit 65; }',
  'mv -fT -- "$tmp/file" "$path"',
];

async function copyOnHost(copy: CopyTree, list: Buffer | null): Promise<void> {
  const whole = 'cp -a -- "$path/." "$target/"';
  await copy.from.run(
    {
      line: [
        ...rooted(copy.toRoot, copy.toPath),
        'target=$path',
        ...rooted(copy.fromRoot, copy.fromPath),
        '[ -e "$path" ] || exit 66',
        '[ "$path" = "$target" ] && exit 0',
        'if [ -d "$path" ]; then mkdir -p -- "$target" || exit',
        list ? '  cd "$path" && tar --null --no-recursion -cf - -T - | tar -xf - -C "$target"' : `  ${whole}`,
        'else mkdir -p -- "$(dirname -- "$target")" && cp -a -- "$path" "$target"; fi',
      ].join('\n'),
      ...(list ? { stdin: list } : {}),
      timeoutSeconds: 12 * 3600,
      parse: (reply) => {
        if (reply.exitCode !== 0) throw fileFault(reply, copy.fromPath);
      },
    },
    { signal: copy.signal },
  );
}

export interface FetchHttp extends To {
  url: string;
  /** Private, loopback and link-local addresses are refused unless configured. */
  allowPrivate: boolean;
}

/** @throws KilimError TRANSFER_FAILED, PATH_NOT_FOUND (404), HOST_*, DISK_FULL */
export async function fetchHttp({
  url,
  to,
  toRoot,
  toPath,
  signal,
  onProgress,
  allowPrivate,
}: FetchHttp): Promise<void> {
  let address = new URL(url);
  for (let hops = 0; ; hops++) {
    if (!allowPrivate && isPrivate(address.hostname))
      throw new KilimError('TRANSFER_FAILED', `The address of ${url} is not allowed as a source.`);
    const reply = await fetch(address, {
      redirect: 'manual',
      signal: AbortSignal.any([signal, AbortSignal.timeout(3_600_000)]),
    }).catch((error: unknown) => {
      throw new KilimError(
        'TRANSFER_FAILED',
        `${url} cannot be fetched: ${String(error instanceof Error ? (error.cause ?? error.message) : error)}`,
      );
    });
    const next = reply.headers.get('location');
    if (reply.status >= 300 && reply.status < 400 && next && hops < 5) {
      address = new URL(next, address);
      continue;
    }
    if (reply.status === 404 || reply.status === 410)
      throw new KilimError('PATH_NOT_FOUND', `${url} was not found (HTTP ${reply.status}).`);
    if (!reply.ok || !reply.body)
      throw new KilimError('TRANSFER_FAILED', `${url} answered HTTP ${reply.status}.`);
    const body = Readable.fromWeb(reply.body).pipe(counting(onProgress));
    return writeFile(to, toRoot, toPath, body, signal);
  }
}

const isPrivate = (hostname: string): boolean =>
  /^(localhost|127\.|10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.|169\.254\.|0\.|\[?(::1|f[cd]|fe80))/i.test(
    hostname,
  );

const counting = (onProgress: (bytes: number, files: number) => void): Transform => {
  let bytes = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.length;
      onProgress(bytes, 0);
      done(null, chunk);
    },
  });
};
