import { KilimError } from '../../domain/errors.js';
import type { FileInfo } from '../../domain/files/file-info.js';
import { normalizeFound, normalizePath } from '../../domain/files/path.js';
import { compilePatterns, sizeOf, type Patterns } from '../../domain/glob.js';
import type { System } from '../../domain/systems/system.js';
import { makeDirs, moveCopy, removePath } from '../../hosts/change-files.js';
import type { Host } from '../../hosts/host.js';
import { foundPath, foundPrefix } from '../../hosts/found-path.js';
import { rootOn } from '../../hosts/host-variable.js';
import { listFiles, MOST_ENTRIES, statPath } from '../../hosts/list-files.js';
import { matchNames } from '../../hosts/match-names.js';
import { openRead } from '../../hosts/read-files.js';
import { fencedRoot, type Root } from '../../hosts/rooted.js';
import { parseBody } from '../../schemas/parse.js';
import { MakeDirectory, MoveCopy } from '../../schemas/system.js';
import { loginUserOf, pathFor } from '../authorize.js';
import type { ApiDeps } from '../deps.js';
import { fileRecord } from '../file-record.js';
import { statInfo } from '../file-stat.js';
import { below, targetOf, type FileService } from '../file-target.js';
import { refuseTooMany } from '../host-attempts.js';
import { flag, integer } from '../paging.js';
import { partOf } from '../ranges.js';
import { readJson } from '../read-body.js';
import { route, type Bytes, type Call, type Route } from '../route.js';
import { refuseThisMachine } from '../this-machine.js';
import type { Kind } from '../transfer-turns.js';
import { upload } from '../upload.js';
import { zipOf } from '../zip.js';
import { filePermissionRoutes, moveGrants } from './file-permissions.js';

const PAGE_BYTES = 1024;

/** A dynamic system is opened as the user himself, never as its owner (specification: platform §5.8). */
const openAs = async (deps: ApiDeps, system: System, user: string): Promise<Host> => {
  const { store, hosts } = deps;
  // no caller is checked: a path of this machine that a listed owner has granted may be used by any user
  await refuseThisMachine(deps, system, []);
  const loginUser = await loginUserOf(store, system, user);
  const { tenant, id: systemId, host, port } = system;
  return hosts.open({ tenant, systemId, host, port, loginUser, asUser: user });
};

interface Opened {
  host: Host;
  system: System;
  /** The rootDir of the system, fenced to the path in it that was granted to the caller. */
  root: Root;
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
  normalizeFound(path);
  await refuseTooMany(deps, call.caller);
  const { system, fence } = await pathFor(deps.store, call.caller, systemId, path, level);
  if (system.systemType !== 'LINUX') {
    throw new KilimError(
      'NOT_SUPPORTED',
      `FILES_SYS_UNSUPPORTED Files of ${system.systemType} systems are not served yet: ${systemId}`,
    );
  }
  const host = await openAs(deps, system, call.caller.user);
  const rootDir = await rootOn(host, system);
  const found = await foundPath(host, rootDir, path);
  const root = fencedRoot(rootDir, foundPrefix(found, fence));
  return { host, system: { ...system, rootDir }, root, path: found };
}

const opened = (call: Call, deps: ApiDeps, what: FileService, level: 'READ' | 'MODIFY'): Promise<Opened> =>
  openedAt(call, deps, targetOf(call, what), level);

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
    const { host, system, root, path } = await opened(call, deps, 'ops', 'READ');
    const found = await listFiles(host, root, path, {
      recurse: flag('recurse', query['recurse']),
      skipUnreadable: true,
      limit: patterns ? MOST_ENTRIES : Math.min(limit, 1000),
      offset: patterns ? 0 : offset,
    });
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
    const { host, system, root, path } = await opened(call, deps, 'content', 'READ');
    const info = await statPath(host, root, path);
    const name = normalizeFound(path).split('/').at(-1) || system.id;
    if (isZip)
      return {
        host,
        open: (signal) => zipOf(host, root, path, signal),
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
        host,
        open: (signal) => openRead(host, root, path, { part: { offset, length: PAGE_BYTES }, signal }),
        name,
        isInline: true,
      };
    }
    const part = partOf(call.headers['range'], info.size);
    // what is appended meanwhile is no part of the length that is promised
    const slice = part ?? { offset: 0, length: info.size };
    return {
      host,
      open: (signal) => openRead(host, root, path, { part: slice, signal }),
      name,
      size: part?.length ?? info.size,
      ...(part?.isStandard ? { partial: { ...part, total: info.size } } : {}),
    };
  },
});

/** Runs work when the caller has a turn at the host, which has few places for work that may take long. */
async function atTurn(call: Call, kind: Kind, host: Host, work: () => Promise<void>): Promise<void> {
  const leave = await call.turn(kind, host);
  try {
    await work();
  } finally {
    leave();
  }
}

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
    const { host, root, path } = await opened(call, deps, 'ops', 'MODIFY');
    await atTurn(call, 'transfer', host, () =>
      upload(call, { host, root, path, idleMs: deps.config.KILIM_TRANSFER_IDLE_SECONDS * 1000 }),
    );
    return { says: `FAPI_OP_COMPLETE ${path} was written` };
  },
});

async function makeDirectory(call: Call, deps: ApiDeps): Promise<{ says: string }> {
  const { path } = parseBody(MakeDirectory, await readJson(call.request));
  normalizePath(path); // refuses names with control characters, which only exist on hosts and are never made here
  const { systemId } = targetOf(call, 'ops');
  const { host, root, path: found } = await openedAt(call, deps, { systemId, path }, 'MODIFY');
  await makeDirs(host, root, [found]);
  return { says: `FAPI_OP_COMPLETE ${path} was made` };
}

const remove = route({
  method: 'delete',
  path: below('ops'),
  handle: async (call, deps) => {
    const { host, system, root, path } = await opened(call, deps, 'ops', 'MODIFY');
    if (normalizeFound(path) === '')
      throw new KilimError('INVALID_REQUEST', 'The rootDir of a system cannot be deleted.');
    await atTurn(call, 'work', host, () => removePath(host, root, path));
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
    normalizePath(newPath);
    const { host, system, root, path } = await opened(
      call,
      deps,
      'ops',
      operation === 'MOVE' ? 'MODIFY' : 'READ',
    );
    if (normalizeFound(path) === '')
      throw new KilimError('INVALID_REQUEST', 'The rootDir of a system cannot be moved or copied.');
    const { fence } = await pathFor(deps.store, call.caller, system.id, newPath, 'MODIFY');
    const found = await foundPath(host, system.rootDir, newPath);
    const to = { root: fencedRoot(system.rootDir, foundPrefix(found, fence)), path: found };
    const isInto = await statPath(host, to.root, found).then(({ type }) => type === 'dir', () => false); // prettier-ignore
    await atTurn(call, 'work', host, () => moveCopy(host, { operation, from: { root, path }, to }));
    const landed = isInto ? `${found}/${normalizeFound(path).split('/').at(-1) ?? ''}` : found;
    if (operation === 'MOVE' && normalizeFound(path) !== normalizeFound(landed))
      await moveGrants(deps.store, system, path, landed);
    return { says: `FAPI_OP_COMPLETE ${operation} ${path} ${newPath}` };
  },
});

const stat = route({
  method: 'get',
  path: below('utils/linux'),
  handle: async (call, deps) => {
    const followLinks = flag('followLinks', call.query['followLinks']);
    const { host, root, path } = await opened(call, deps, 'utils/linux', 'READ');
    return {
      says: `FAPI_OP_COMPLETE ${path}`,
      result: await host.run(statInfo(root, path, followLinks)),
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
