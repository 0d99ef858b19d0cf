import { KilimError } from '../domain/errors.js';
import type { FileInfo } from '../domain/files/file-info.js';
import { normalizeFound } from '../domain/files/path.js';
import type { Reply } from '../domain/remote-command.js';
import { quote } from '../domain/shell.js';
import type { Host } from './host.js';
import { textOf } from './odd-bytes.js';
import { fileFault, goingIn, MISSING, rooted, type Root } from './rooted.js';

const must = (reply: Reply, path: string): void => {
  if (reply.exitCode !== 0) throw fileFault(reply, path);
};

const FORMAT = '%y\\t%s\\t%U\\t%G\\t%M\\t%T@\\t%P\\0';

export interface ListOptions {
  recurse: boolean;
  /** Levels; default 20 (platform §5.3). */
  depth?: number;
  limit: number;
  offset: number;
  /** What lies below a directory that may not be read, or goes meanwhile, is left out; else it is a fault. */
  skipUnreadable?: boolean;
}

/** No entry is longer: a path has 4096 bytes, or some more in a deep tree, and little stands before it. */
const ENTRY_BYTES = 10_000;
const LIST_BYTES = 256 * 1024 * 1024;
export const MOST_ENTRIES = 1_000_000;
const MOST_NAMES = 4_000_000;

/**
 * Entries of a directory, or the one entry of a file, sorted by path without regard to the case of the letters A to Z, then
 * by bytes (platform §5.3). The host sorts and cuts, so that only one page of a million entries travels and is kept.
 */
export async function listFiles(
  host: Host,
  root: Root,
  path: string,
  { recurse, depth = 20, limit, offset, skipUnreadable = false }: ListOptions,
): Promise<FileInfo[]> {
  const base = normalizeFound(path);
  const found: FileInfo[] = [];
  const list: List = {
    lines: [
      ...rooted(root, path),
      `[ -e "$path" ] || [ -L "$path" ] || exit ${MISSING}`,
      `if [ -d "$path" ]; then ${goingIn}; find . -mindepth 1 -maxdepth ${recurse ? depth : 1} -printf ${quote(FORMAT)}${skipUnreadable ? ' || [ -r . -a -x . ]' : ''}`,
      `else find "$path" -maxdepth 0 -printf ${quote(FORMAT)}; fi | ${SORTED} | tail -z -n +${offset + 1} | head -z -n ${limit} | ${WITHOUT_KEY}`,
      'codes=("${PIPESTATUS[@]}"); code=${codes[0]}',
      // a signal for a closed pipe (141) only says that the rest is not wanted
      'for one in "${codes[1]}" "${codes[2]}"; do case $one in 0|141) ;; *) code=$one ;; esac; done; (exit "$code")',
    ],
    timeoutSeconds: 120,
    mostEntries: MOST_ENTRIES,
  };
  await readList(host, path, list, (entry) => {
    if (found.length < limit) found.push(toInfo(entry, base));
  });
  return found;
}

/**
 * Sorts by a key before each entry: the path in small letters, then the path itself, each ended by a byte 1; a byte 1 in the
 * path becomes a 2. `WITHOUT_KEY` takes the key away.
 */
const SORTED =
  `LC_ALL=C sed -z 'h;s/^\\([^\\t]*\\t\\)\\{6\\}//;s/\\x01/\\x02/g;G;h;s/\\x00.*//;y/ABCDEFGHIJKLMNOPQRSTUVWXYZ/abcdefghijklmnopqrstuvwxyz/;G;s/\\x00/\\x01/g' ` +
  '| LC_ALL=C sort -z';
const WITHOUT_KEY = "LC_ALL=C cut -z -d $'\\x01' -f 3-";

/** The files and links below a directory, at any depth, relative to it: names alone, as there may be a million. */
export const listNames = async (host: Host, root: Root, path: string): Promise<string[]> => {
  const names: string[] = [];
  const list: List = {
    lines: [
      ...rooted(root, path),
      `[ -d "$path" ] || exit ${MISSING}`,
      goingIn,
      `find . '(' -type f -o -type l ')' -printf '%P\\0'`,
    ],
    timeoutSeconds: 600,
    mostEntries: MOST_NAMES,
  };
  await readList(host, path, list, (entry) => names.push(textOf(entry)));
  return names;
};

/** A command that prints entries, each ended by a NUL. */
interface List {
  lines: string[];
  timeoutSeconds: number;
  mostEntries: number;
}

/** Runs it, and hands the entries on as they come. */
async function readList(
  host: Host,
  path: string,
  { lines, timeoutSeconds, mostEntries }: List,
  onEntry: (entry: Buffer) => void,
): Promise<void> {
  const entries = readEntries(path, mostEntries, onEntry);
  await host.run({
    line: [...lines, SAY_THAT_IS_ALL].join('\n'),
    timeoutSeconds,
    maxReplyBytes: LIST_BYTES,
    onOutput: entries.take,
    parse: (reply) => must(reply, path),
  });
  entries.end();
}

/** Ends a whole list; no entry has this name. A list without it was cut, as at a limit of bytes. */
const THAT_IS_ALL = '/';
const SAY_THAT_IS_ALL = `code=$?; [ $code -ne 0 ] || printf ${THAT_IS_ALL}; exit $code`;

/**
 * Reads entries that each end with a NUL as they come, and then the sign that the list is whole.
 * @throws KilimError REMOTE_COMMAND_FAILED where there are too many, where one is too long, and where the list was cut
 */
function readEntries(path: string, mostEntries: number, onEntry: (entry: Buffer) => void) {
  const tooMany = (): KilimError =>
    new KilimError('REMOTE_COMMAND_FAILED', `${path} has more entries than can be listed at once.`);
  let rest = Buffer.alloc(0);
  let count = 0;
  const take = (piece: Buffer): void => {
    const text = rest.length === 0 ? piece : Buffer.concat([rest, piece]);
    let from = 0;
    for (let end; (end = text.indexOf(0, from)) >= 0; from = end + 1) {
      if (++count > mostEntries) throw tooMany();
      onEntry(text.subarray(from, end));
    }
    rest = Buffer.from(text.subarray(from));
    if (rest.length > ENTRY_BYTES) throw notUnderstood(path);
  };
  const end = (): void => {
    if (rest.toString('latin1') !== THAT_IS_ALL) throw tooMany();
  };
  return { take, end };
}

const notUnderstood = (path: string): KilimError =>
  new KilimError('REMOTE_COMMAND_FAILED', `What the host says of ${path} is not understood.`);

const TYPES: Record<string, FileInfo['type']> = { f: 'file', d: 'dir', l: 'symbolic_link' };

const ENTRY = /^([a-zA-Z?])\t(\d{1,19})\t([^\t]*)\t([^\t]*)\t([^\t]*)\t(-?\d{1,12})(\.\d*)?\t([^]*)$/;

/** @throws KilimError REMOTE_COMMAND_FAILED where the host sent what its `find` cannot have printed */
const toInfo = (entry: Buffer, base: string): FileInfo => {
  // the name comes last: it may hold anything, a tab too
  const [, type = '', size, owner = '', group = '', mode = '', seconds, part = '', name] =
    ENTRY.exec(textOf(entry)) ?? [];
  if (name === undefined) throw notUnderstood(base);
  const path = [base, name].filter(Boolean).join('/');
  return {
    name: path.split('/').at(-1) ?? '',
    path,
    type: TYPES[type] ?? 'other',
    size: Number(size),
    owner,
    group,
    nativePermissions: mode.slice(1),
    lastModified: new Date(Math.trunc(Number(`${seconds}${part}`) * 1000)).toISOString(),
  };
};

/** What a path leads to, through links too; a directory is described, not opened. */
export const statPath = (host: Host, root: Root, path: string): Promise<FileInfo> =>
  host.run({
    line: [
      ...rooted(root, path),
      `[ -e "$path" ] || exit ${MISSING}`,
      `find -L "$path" -maxdepth 0 -printf ${quote(FORMAT)}`,
    ].join('\n'),
    parse: (reply) => {
      must(reply, path);
      return toInfo(Buffer.from(reply.stdout.replace(/\0$/, '')), normalizeFound(path));
    },
  });
