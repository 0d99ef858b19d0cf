import { KilimError } from '../domain/errors.js';
import type { FileInfo } from '../domain/files/file-info.js';
import { normalizePath } from '../domain/files/path.js';
import type { Reply } from '../domain/remote-command.js';
import { quote } from '../domain/shell.js';
import type { Host } from './host.js';
import { fileFault, MISSING, rooted } from './rooted.js';

const must =
  (path: string) =>
  (reply: Reply): string => {
    if (reply.exitCode !== 0) throw fileFault(reply, path);
    return reply.stdout;
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

/** Entries of a directory, or the one entry of a file, sorted by path without regard to case (platform §5.3). */
export async function listFiles(
  host: Host,
  rootDir: string,
  path: string,
  { recurse, depth = 20, limit, offset, skipUnreadable = false }: ListOptions,
): Promise<FileInfo[]> {
  const base = normalizePath(path);
  const out = await host.run({
    line: [
      ...rooted(rootDir, path),
      `[ -e "$path" ] || [ -L "$path" ] || exit ${MISSING}`,
      `if [ -d "$path" ]; then find "$path/" -mindepth 1 -maxdepth ${recurse ? depth : 1} -printf ${quote(FORMAT)}${skipUnreadable ? ' || [ -r "$path" -a -x "$path" ]' : ''}`,
      `else find "$path" -maxdepth 0 -printf ${quote(FORMAT)}; fi`,
      SAY_THAT_IS_ALL,
    ].join('\n'),
    timeoutSeconds: 120,
    parse: must(path),
  });
  return whole(out, path)
    .map((entry) => toInfo(entry, base))
    .map((info) => ({ info, key: info.path.toLowerCase() }))
    .sort((a, b) => compare(a.key, b.key) || compare(a.info.path, b.info.path))
    .slice(offset, offset + limit)
    .map(({ info }) => info);
}

/** The files and links below a directory, at any depth, relative to it: names alone, as there may be a million. */
export const listNames = async (host: Host, rootDir: string, path: string): Promise<string[]> => {
  const out = await host.run({
    line: [
      ...rooted(rootDir, path),
      `[ -d "$path" ] || exit ${MISSING}`,
      `find "$path/" '(' -type f -o -type l ')' -printf '%P\\0'`,
      SAY_THAT_IS_ALL,
    ].join('\n'),
    timeoutSeconds: 600,
    parse: must(path),
  });
  return whole(out, path);
};

/** No entry is called so. What a command says is cut at some size: a list without its end is not all. */
const THAT_IS_ALL = '/';
const SAY_THAT_IS_ALL = `code=$?; [ $code -ne 0 ] || printf ${THAT_IS_ALL}; exit $code`;

/** @throws KilimError REMOTE_COMMAND_FAILED of a list that was cut */
function whole(out: string, path: string): string[] {
  if (!out.endsWith(THAT_IS_ALL))
    throw new KilimError('REMOTE_COMMAND_FAILED', `${path} has more entries than can be listed at once.`);
  return out.slice(0, -THAT_IS_ALL.length).split('\0').filter(Boolean);
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

const TYPES: Record<string, FileInfo['type']> = { f: 'file', d: 'dir', l: 'symbolic_link' };

const toInfo = (entry: string, base: string): FileInfo => {
  // the name comes last: it may hold anything, a tab too
  const [type = '', size, owner = '', group = '', mode = '', modified, ...rest] = entry.split('\t');
  const path = [base, rest.join('\t')].filter(Boolean).join('/');
  return {
    name: path.split('/').at(-1) ?? '',
    path,
    type: TYPES[type] ?? 'other',
    size: Number(size),
    owner,
    group,
    nativePermissions: mode.slice(1),
    lastModified: new Date(Number(modified) * 1000).toISOString(),
  };
};

/** What a path leads to, through links too; a directory is described, not opened. */
export const statPath = (host: Host, rootDir: string, path: string): Promise<FileInfo> =>
  host.run({
    line: [
      ...rooted(rootDir, path),
      `[ -e "$path" ] || exit ${MISSING}`,
      `find -L "$path" -maxdepth 0 -printf ${quote(FORMAT)}`,
    ].join('\n'),
    parse: (reply) => toInfo(must(path)(reply).replace(/\0$/, ''), normalizePath(path)),
  });
