import { pipeline, type Readable } from 'node:stream';

import { KilimError } from '../domain/errors.js';
import { shownUrl } from '../domain/files/shown-url.js';
import { writeFile } from './change-files.js';
import { copyBigFile, counting } from './copy-big-file.js';
import {
  cleaning,
  entering,
  enteringFolder,
  inPrivate,
  leftOut,
  movingFileIn,
  movingIn,
  nameOf,
  privateName,
  removingPrivate,
  WALKING,
  withFolder,
  type LeftOut,
} from './enter.js';
import { openUrl } from './fetch-url.js';
import type { Host } from './host.js';
import { join } from './join.js';
import { listOfNames } from './odd-bytes.js';
import {
  fileFault,
  goingBeside,
  goingIn,
  MISSING,
  rooted,
  rootedAll,
  treeFault,
  type Root,
} from './rooted.js';
import { tarMeter, type Counted } from './tar-meter.js';
import { gone, tolerating, type Gone } from './vanished.js';

interface To {
  to: Host;
  toRoot: Root;
  /** Below toRoot; a source file goes *to* it, a source directory's content *into* it. */
  toPath: string;
  signal: AbortSignal;
  onProgress: (bytes: number, files: number) => void;
}

export interface CopyTree extends To {
  from: Host;
  fromRoot: Root;
  fromPath: string;
  /** Both ends are one system: nothing leaves the host. */
  sameHost: boolean;
  /** Regular files relative to fromPath; absent: everything. */
  filter?: string[];
  /** The target is another user's system: links that lead out of its root are removed. */
  dropsLinks?: boolean;
}

export interface Copied extends Counted {
  /** What was removed from the copy. */
  leftOut?: LeftOut;
  /** What of a filter's files was not there any more. */
  gone?: Gone;
}

/** From here on a single file is worth a checksum and a way to resume. */
const BIG_BYTES = 64 * 1024 * 1024;

/**
 * Copies a file or a tree. Between hosts it is one stream through this process, without touching its disk. Everything comes
 * into a private directory at the target first, so that nothing is written through a link (`enter.ts`).
 * Safe to repeat: what is there is replaced.
 * @throws KilimError PATH_NOT_FOUND (no source), PATH_INVALID (a link in the way of a directory), NOT_AUTHORIZED, HOST_*,
 * DISK_FULL, REMOTE_ACCESS_DENIED, TRANSFER_FAILED
 */
export async function copyTree(copy: CopyTree): Promise<Copied> {
  const early = privateName();
  try {
    return copy.sameHost ? await copyOnHost(copy, early) : await copyAcross(copy, early);
  } catch (error) {
    await sweep(copy, early);
    throw error;
  }
}

async function copyAcross(copy: CopyTree, early: string): Promise<Copied> {
  const { from, to, fromPath, toPath, signal } = copy;
  const list = await listOf(copy);
  const file = await describe(copy);
  if (file && file.size >= BIG_BYTES) {
    await copyBigFile({ ...copy, ...file });
    return { bytes: file.size, files: 1 };
  }
  const meter = tarMeter(copy.onProgress);
  const pack = [...rooted(copy.fromRoot, fromPath), ...(file ? PACK_FILE : packDir(list))];
  const unpack = file
    ? [...enteringFolder(copy.toRoot, toPath), ...inPrivate(early), ...UNPACK, ...CLEAN_ALL, ...movingFileIn]
    : [...entering(copy.toRoot, toPath), ...inPrivate(early), ...UNPACK, ...cleaning(copy.dropsLinks ?? false), ...movingIn]; // prettier-ignore
  const { source, target } = await join(
    { host: from, path: fromPath, script: pack.join('\n'), stdin: list },
    { host: to, path: toPath, script: unpack.join('\n') },
    meter,
    signal,
  );
  return withLeftOut(meter.counted(), source, target);
}

const CLEAN_ALL = cleaning(false);

const listOf = async ({ filter }: CopyTree): Promise<Buffer | undefined> => filter && listOfNames(filter);

/** What the two sides, or the one, say of what is not there. */
function withLeftOut(counted: Counted, source: { stderr: string }, target = source): Copied {
  const [away, dropped] = [gone(source), leftOut(target)];
  return { ...counted, ...(away ? { gone: away } : {}), ...(dropped ? { leftOut: dropped } : {}) };
}

/** Removes the private directory of a shell that was killed; it lies in the target of a tree, beside the target of a file. */
const sweep = ({ to, toRoot, toPath }: CopyTree, early: string): Promise<void> =>
  to
    .run({
      line: [
        ...rootedAll(withFolder({ root: toRoot, path: toPath })),
        'for here in "${reals[@]}"; do [ ! -d "$here" ] || (',
        'cd -P -- "$here" || exit; really',
        ...removingPrivate(early),
        '); done',
      ].join('\n'),
      timeoutSeconds: 10,
      parse: () => undefined,
    })
    .catch(() => undefined);

/** Null for a directory. */
const describe = ({ from, fromRoot, fromPath, signal }: CopyTree) =>
  from.run(
    {
      line: [
        ...rooted(fromRoot, fromPath),
        `[ -e "$path" ] || exit ${MISSING}`,
        'if [ -d "$path" ]; then echo dir; else stat -L -c "%s %Y %a" -- "$path"; fi',
      ].join('\n'),
      parse: (reply) => {
        if (reply.exitCode !== 0) throw fileFault(reply, fromPath);
        const [size = '', modified = '', mode = ''] = reply.stdout.trim().split(' ');
        if (size === 'dir') return null;
        // these words become part of a command on the other host
        if (![size, modified].every((word) => /^\d{1,15}$/.test(word)) || !/^[0-7]{1,5}$/.test(mode))
          throw new KilimError(
            'REMOTE_COMMAND_FAILED',
            `${from.name} does not describe ${fromPath} as a file.`,
          );
        return { size: Number(size), modified: Number(modified), mode: mode.slice(-3) };
      },
    },
    { signal },
  );

const packDir = (list: Buffer | undefined): string[] => [
  goingIn,
  ...tolerating(list ? PACK_LISTED : 'tar -cf - .'),
];

const PACK_LISTED = 'tar --null --no-recursion -cf - -T -';

// a name of its own inside the stream: the target may be called otherwise
const PACK_FILE = [goingBeside, `exec tar --transform 's,.*,file,' -cf - -- "./\${reals[0]##*/}"`];

// tar ends at the archive's end mark; the padding behind it must still be taken, or the sender's pipe breaks
const UNPACK = ['tar --no-same-owner -xf - || exit', 'cat > /dev/null', 'fence=${fences[0]}'];

const COUNT = `awk '{ files++; bytes += $1 } END { printf "%d %d", files, bytes }'`;

async function copyOnHost(copy: CopyTree, early: string): Promise<Copied> {
  const { toRoot, toPath, fromRoot, fromPath } = copy;
  const list = await listOf(copy);
  const copied = await copy.from.run(
    {
      line: [
        ...rootedAll([...withFolder({ root: toRoot, path: toPath }), { root: fromRoot, path: fromPath }]),
        ...WALKING,
        `path=\${paths[2]}; [ -e "$path" ] || exit ${MISSING}`,
        '[ "$path" = "${paths[0]}" ] && exit 0',
        'fence=${fences[0]}',
        'if [ -d "$path" ]; then',
        'here=${reals[2]}; cd -P -- "$here" || exit; really; exec 8< .',
        'enter "${reals[0]}"',
        ...inPrivate(early),
        ...(list ? COPY_LISTED : tolerating('cp -a -- /proc/self/fd/8/. .')),
        ...cleaning(copy.dropsLinks ?? false),
        `find . -type f -printf '%s\\n' | ${COUNT}`,
        ...movingIn,
        'else',
        `enter "\${reals[1]}"; name=${nameOf(toPath)}; kept "$name"`,
        ...inPrivate(early),
        'cp -aL -- "${reals[2]}" ./file && chmod ug-s ./file && stat -c "1 %s" ./file || exit',
        ...movingFileIn,
        'fi',
      ].join('\n'),
      ...(list ? { stdin: list } : {}),
      timeoutSeconds: 12 * 3600,
      parse: (reply) => {
        if (reply.exitCode !== 0) throw treeFault(reply, fromPath);
        const [files, bytes] = reply.stdout.trim().split(' ').map(Number);
        return withLeftOut({ files: files || 0, bytes: bytes || 0 }, reply);
      },
    },
    { signal: copy.signal },
  );
  copy.onProgress(copied.bytes, copied.files);
  return copied;
}

const COPY_LISTED = [
  `( cd -P /proc/self/fd/8 || exit\n${tolerating(PACK_LISTED).join('\n')}\n) | { tar -xf - && cat > /dev/null; }`,
  'for code in "${PIPESTATUS[@]}"; do [ "$code" = 0 ] || exit "$code"; done',
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
  await writeFile(to, { root: toRoot, path: toPath }, open, { signal }).catch((error: unknown) => {
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
