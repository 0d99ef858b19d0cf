import { KilimError } from '../../domain/errors.js';
import type { FileInfo } from '../../domain/files/file-info.js';
import { normalizePath } from '../../domain/files/path.js';
import { compilePatterns, sizeOf, type Patterns } from '../../domain/glob.js';
import type { System } from '../../domain/systems/system.js';
import {
  listFiles,
  makeDirs,
  moveCopy,
  openRead,
  refuseOutside,
  removePath,
  statPath,
} from '../../hosts/files.js';
import type { Host } from '../../hosts/host.js';
import { rootOn } from '../../hosts/host-variable.js';
import { matchNames } from '../../hosts/match-names.js';
import { parseBody } from '../../schemas/parse.js';
import { MakeDirectory, MoveCopy } from '../../schemas/system.js';
import { loginUserOf, pathFor } from '../authorize.js';
import type { ApiDeps } from '../deps.js';
import { statInfo } from '../file-stat.js';
import { below, targetOf, type FileService } from '../file-target.js';
import { flag, integer } from '../paging.js';
import { partOf } from '../ranges.js';
import { readJson } from '../read-body.js';
import { route, type Bytes, type Call, type Route } from '../route.js';
import { upload } from '../upload.js';
import { zipOf } from '../zip.js';
import { filePermissionRoutes, moveGrants } from './file-permissions.js';

const PAGE_BYTES = 1024;

/** A dynamic system is opened as the user himself, never as its owner (specification: platform §5.8). */
export const openAs = async ({ store, hosts }: ApiDeps, system: System, user: string): Promise<Host> => {
  const loginUser = await loginUserOf(store, system, user);
  const { tenant, id: systemId, host, port } = system;
  return hosts.open({ tenant, systemId, host, port, loginUser, asUser: user });
};

interface Opened {
  host: Host;
  system: System;
  path: string;
}

async function openedAt(
  call: Call,
  deps: ApiDeps,
  target: { systemId: string; path: string },
  level: 'READ' | 'MODIFY',
): Promise<Opened> {
  const { systemId, path } = target;
  for (const name of ['impersonationId', 'sharedCtx']) {
    if (call.query[name] !== undefined)
      throw new KilimError('NOT_AUTHORIZED', `${name} is for services only.`);
  }
  normalizePath(path);
  const { system, fence } = await pathFor(deps.store, call.caller, systemId, path, level);
  if (system.systemType !== 'LINUX') {
    throw new KilimError(
      'NOT_SUPPORTED',
      `FILES_SYS_UNSUPPORTED Files of ${system.systemType} systems are not served yet: ${systemId}`,
    );
  }
  const host = await openAs(deps, system, call.caller.user);
  const rootDir = await rootOn(host, system);
  await refuseOutside(host, rootDir, fence, path);
  return { host, system: { ...system, rootDir }, path };
}

const opened = (call: Call, deps: ApiDeps, what: FileService, level: 'READ' | 'MODIFY'): Promise<Opened> =>
  openedAt(call, deps, targetOf(call, what), level);

export const fileRecord = (info: FileInfo, systemId: string): Record<string, unknown> => ({
  ...info,
  mimeType: info.type === 'dir' ? null : 'application/octet-stream',
  url: `tapis://${systemId}/${info.path}`,
});

const list = route({
  method: 'get',
  path: below('ops'),
  handle: async (call, deps) => {
    const { query } = call;
    const limit = integer('limit', query['limit'], 1000);
    const offset = integer('offset', query['offset'], 0);
    if (limit <= 0) throw new KilimError('INVALID_REQUEST', `limit: ${limit} must be at least 1`);
    if (offset < 0) throw new KilimError('INVALID_REQUEST', `offset: ${offset} may not be negative`);
    const patterns = patternOf(query['pattern']);
    const { host, system, path } = await opened(call, deps, 'ops', 'READ');
    const all = {
      recurse: flag('recurse', query['recurse']),
      skipUnreadable: true,
      limit: patterns ? 1_000_000 : Math.min(limit, 1000),
      offset: patterns ? 0 : offset,
    };
    const found = await listFiles(host, system.rootDir, path, all);
    const files = patterns
      ? (await matching(found, patterns)).slice(offset, offset + Math.min(limit, 1000))
      : found;
    return {
      says: `FAPI_OP_COMPLETE ${files.length} entries`,
      result: files.map((info) => fileRecord(info, system.id)),
    };
  },
});

const LONGEST_PATTERN = 256;
const MOST_PARTS = 1_000;
const MATCH_MS = 5_000;

/** A glob on the name, or `regex:<expr>`. @throws KilimError INVALID_REQUEST */
function patternOf(pattern: string | undefined): Patterns | null {
  if (!pattern) return null;
  const refuse = (rule: string): KilimError =>
    new KilimError('INVALID_REQUEST', `pattern: ${JSON.stringify(pattern.slice(0, 80))} ${rule}`);
  const glob = (text: string): string => text.replace(/[.+^${}()|\\]/g, '\\$&').replaceAll('*', '.*').replaceAll('?', '.'); // prettier-ignore
  if (pattern.length > LONGEST_PATTERN)
    throw refuse(`is too long: at most ${LONGEST_PATTERN} characters are possible`);
  const patterns = {
    out: [],
    into: [pattern.startsWith('regex:') ? pattern.slice('regex:'.length) : glob(pattern)],
  };
  if (sizeOf(patterns) > MOST_PARTS)
    throw refuse(`is too large: counted repeats written out, it may have at most ${MOST_PARTS} parts`);
  try {
    compilePatterns(patterns);
    return patterns;
  } catch {
    throw refuse('is not understood');
  }
}

async function matching(found: FileInfo[], patterns: Patterns): Promise<FileInfo[]> {
  const names = await matchNames({
    names: found.map(({ name }) => name),
    patterns,
    limitMs: MATCH_MS,
    tooLong: () =>
      new KilimError(
        'INVALID_REQUEST',
        `pattern: to match it with the ${found.length} names takes too long; use a simpler one`,
      ),
  });
  const wanted = new Set(names);
  return found.filter(({ name }) => wanted.has(name));
}

const content = route({
  method: 'get',
  path: below('content'),
  handle: async (call, deps): Promise<Bytes> => {
    const isZip = flag('zip', call.query['zip']);
    const { host, system, path } = await opened(call, deps, 'content', 'READ');
    const info = await statPath(host, system.rootDir, path);
    const name = normalizePath(path).split('/').at(-1) || system.id;
    if (isZip)
      return {
        stream: await zipOf(host, system.rootDir, path),
        name: `${name.replace(/(.)\.[^.]*$/, '$1')}.zip`,
      };
    if (info.type === 'dir')
      throw new KilimError(
        'INVALID_REQUEST',
        `FILES_CONT_DIR_NOZIP ${path} is a directory; ask with zip=true.`,
      );
    const page = /^\s*([1-9]\d{0,9})\s*$/.exec(call.headers['more'] ?? '')?.[1];
    if (page) {
      const offset = (Number(page) - 1) * PAGE_BYTES;
      return {
        stream: await openRead(host, system.rootDir, path, { offset, length: PAGE_BYTES }),
        name,
        isInline: true,
      };
    }
    const part = partOf(call.headers['range'], info.size);
    // what is appended meanwhile is no part of the length that is promised
    const stream = await openRead(host, system.rootDir, path, part ?? { offset: 0, length: info.size });
    return {
      stream,
      name,
      size: part?.length ?? info.size,
      ...(part?.isStandard ? { partial: { ...part, total: info.size } } : {}),
    };
  },
});

const insert = route({
  method: 'post',
  path: below('ops'),
  raw: true,
  handle: async (call, deps) => {
    const isUpload = /^multipart\/form-data/i.test(call.headers['content-type'] ?? '');
    if (!isUpload) return makeDirectory(call, deps);
    if (normalizePath(targetOf(call, 'ops').path) === '') {
      throw new KilimError('INVALID_REQUEST', 'FILES_ERR_UPLOAD_DIR The path of an upload must name a file.');
    }
    const { host, system, path } = await opened(call, deps, 'ops', 'MODIFY');
    await upload(call.request, host, system.rootDir, path);
    return { says: `FAPI_OP_COMPLETE ${path} was written` };
  },
});

async function makeDirectory(call: Call, deps: ApiDeps): Promise<{ says: string }> {
  const { path } = parseBody(MakeDirectory, await readJson(call.request));
  const { systemId } = targetOf(call, 'ops');
  const { host, system } = await openedAt(call, deps, { systemId, path }, 'MODIFY');
  await makeDirs(host, system.rootDir, [path]);
  return { says: `FAPI_OP_COMPLETE ${path} was made` };
}

const remove = route({
  method: 'delete',
  path: below('ops'),
  handle: async (call, deps) => {
    const { host, system, path } = await opened(call, deps, 'ops', 'MODIFY');
    if (normalizePath(path) === '')
      throw new KilimError('INVALID_REQUEST', 'The rootDir of a system cannot be deleted.');
    await removePath(host, system.rootDir, path);
    await moveGrants(deps.store, system, path, null);
    return { says: `FAPI_OP_COMPLETE ${path} was deleted` };
  },
});

/** MODIFY on both ends for a move; for a copy READ on its source is enough. */
const relocate = route({
  method: 'put',
  path: below('ops'),
  handle: async (call, deps) => {
    const { operation, newPath } = parseBody(MoveCopy, call.body);
    const { host, system, path } = await opened(call, deps, 'ops', operation === 'MOVE' ? 'MODIFY' : 'READ');
    if (normalizePath(path) === '')
      throw new KilimError('INVALID_REQUEST', 'The rootDir of a system cannot be moved or copied.');
    const { fence } = await pathFor(deps.store, call.caller, system.id, newPath, 'MODIFY');
    await refuseOutside(host, system.rootDir, fence, newPath);
    const isInto = await statPath(host, system.rootDir, newPath).then(({ type }) => type === 'dir', () => false); // prettier-ignore
    await moveCopy(host, system.rootDir, operation, path, newPath);
    const landed = isInto ? `${newPath}/${normalizePath(path).split('/').at(-1) ?? ''}` : newPath;
    if (operation === 'MOVE' && normalizePath(path) !== normalizePath(landed))
      await moveGrants(deps.store, system, path, landed);
    return { says: `FAPI_OP_COMPLETE ${operation} ${path} ${newPath}` };
  },
});

const stat = route({
  method: 'get',
  path: below('utils/linux'),
  handle: async (call, deps) => {
    const followLinks = flag('followLinks', call.query['followLinks']);
    const { host, system, path } = await opened(call, deps, 'utils/linux', 'READ');
    return {
      says: `FAPI_OP_COMPLETE ${path}`,
      result: await host.run(statInfo(system.rootDir, path, followLinks)),
    };
  },
});

/** Files (specification: platform §5). */
export const fileRoutes: readonly Route[] = [
  list,
  content,
  insert,
  remove,
  relocate,
  stat,
  ...filePermissionRoutes,
];
