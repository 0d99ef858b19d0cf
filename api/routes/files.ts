import busboy from 'busboy';

import { KilimError } from '../../domain/errors.js';
import type { FileInfo } from '../../domain/files/file-info.js';
import { normalizePath } from '../../domain/files/path.js';
import type { System } from '../../domain/systems/system.js';
import { listFiles, makeDirs, openRead, removePath, statPath, writeFile } from '../../hosts/files.js';
import type { Host } from '../../hosts/host.js';
import { FilePermission, MakeDirectory } from '../../schemas/system.js';
import { parseBody } from '../../schemas/parse.js';
import { loginUserOf, pathFor, systemFor } from '../authorize.js';
import type { ApiDeps, Caller } from '../deps.js';
import { flag, pagingOf } from '../paging.js';
import { partOf } from '../ranges.js';
import { route, type Call, type Route } from '../route.js';
import { zipOf } from '../zip.js';

/** `/v3/files/<what>/<system>[/<path>]`: the remainder is decoded once, whatever slashes it holds (platform §5.1, §8.8). */
const below = (what: string): RegExp => new RegExp(`^/v3/files/${what}/([^/]+)(?:/(.*))?$`);

function target({ request }: Call, what: string): { systemId: string; path: string } {
  const [pathname = ''] = (request.url ?? '').split('?');
  const [, systemId = '', rest = ''] = below(what).exec(pathname) ?? [];
  try {
    return { systemId: decodeURIComponent(systemId), path: decodeURIComponent(rest) };
  } catch {
    throw new KilimError('INVALID_REQUEST', 'The path is not well encoded.');
  }
}

export const openAs = async ({ store, hosts }: ApiDeps, system: System, user: string): Promise<Host> => {
  const loginUser = await loginUserOf(store, system, user);
  return hosts.open({
    tenant: system.tenant,
    systemId: system.id,
    host: system.host,
    port: system.port,
    loginUser,
    asUser: user,
  });
};

async function opened(
  call: Call,
  deps: ApiDeps,
  what: string,
  level: 'READ' | 'MODIFY',
): Promise<{ host: Host; system: System; path: string }> {
  const { systemId, path } = target(call, what);
  normalizePath(path);
  const system = await pathFor(deps.store, call.caller, systemId, path, level);
  return { host: await openAs(deps, system, userFor(system, call.caller)), system, path };
}

/** Whose credential opens a dynamic system: a grantee without one of his own reads as the owner who granted it. */
const userFor = (system: System, caller: Caller): string =>
  system.owner === caller.user ? caller.user : system.owner;

export const fileRecord = (info: FileInfo, systemId: string): Record<string, unknown> => ({
  ...info,
  mimeType: info.type === 'dir' ? null : 'application/octet-stream',
  url: `tapis://${systemId}/${info.path}`,
});

const list = route({
  method: 'get',
  path: below('ops'),
  handle: async (call, deps) => {
    const { host, system, path } = await opened(call, deps, 'ops', 'READ');
    const { limit } = pagingOf({ query: { limit: call.query['limit'] ?? '1000' } });
    const offset = pagingOf({ query: { skip: call.query['offset'] } }).skip;
    if (limit <= 0) throw new KilimError('INVALID_REQUEST', `limit: ${limit} must be at least 1`);
    const files = await listFiles(host, system.rootDir, path, {
      recurse: flag('recurse', call.query['recurse']),
      limit: Math.min(limit, 1000),
      offset,
    });
    return {
      says: `FAPI_OP_COMPLETE ${files.length} entries`,
      result: files.map((info) => fileRecord(info, system.id)),
    };
  },
});

const content = route({
  method: 'get',
  path: below('content'),
  handle: async (call, deps) => {
    const { host, system, path } = await opened(call, deps, 'content', 'READ');
    const info = await statPath(host, system.rootDir, path);
    const isZip = flag('zip', call.query['zip']);
    if (info.type === 'dir' && !isZip)
      throw new KilimError(
        'INVALID_REQUEST',
        `FILES_CONT_DIR_NOZIP ${path} is a directory; ask with zip=true.`,
      );
    const name = normalizePath(path).split('/').at(-1) || system.id;
    if (isZip)
      return {
        stream: await zipOf(host, system.rootDir, path),
        name: `${name.replace(/(.)\.[^.]*$/, '$1')}.zip`,
      };
    const part = partOf(call.headers['range'], info.size);
    const stream = await openRead(host, system.rootDir, path, part ?? undefined);
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
    const type = call.headers['content-type'] ?? '';
    return /^multipart\/form-data/i.test(type) ? upload(call, deps) : makeDirectory(call, deps);
  },
});

async function upload(call: Call, deps: ApiDeps): Promise<{ says: string }> {
  const { host, system, path } = await opened(call, deps, 'ops', 'MODIFY');
  if (normalizePath(path) === '')
    throw new KilimError('INVALID_REQUEST', 'FILES_ERR_UPLOAD_DIR The path of an upload must name a file.');
  let written: Promise<void> | null = null;
  await new Promise<void>((resolve, reject) => {
    const parts = busboy({ headers: { 'content-type': call.headers['content-type'] ?? '' } });
    parts.on('file', (field, stream) => {
      if (field !== 'file' || written) stream.resume();
      else {
        written = writeFile(host, system.rootDir, path, stream);
        written.catch(() => stream.resume());
      }
    });
    parts.on('close', resolve);
    parts.on('error', (error) =>
      reject(new KilimError('INVALID_REQUEST', `The upload is broken: ${String(error)}`)),
    );
    call.request.pipe(parts);
  });
  if (!written) throw new KilimError('INVALID_REQUEST', 'file: the multipart body has no part of this name');
  await (written as Promise<void>);
  return { says: `FAPI_OP_COMPLETE ${path} was written` };
}

async function makeDirectory(call: Call, deps: ApiDeps): Promise<{ says: string }> {
  const chunks: Buffer[] = [];
  for await (const chunk of call.request) {
    chunks.push(chunk as Buffer);
    if (chunks.reduce((sum, { length }) => sum + length, 0) > 1_048_576)
      throw new KilimError('BODY_TOO_LARGE', 'The body is larger than 1 MiB.');
  }
  let body: unknown;
  try {
    body = JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch {
    throw new KilimError(
      'INVALID_JSON',
      'The body must be JSON {"path": "…"}, or multipart/form-data with a part "file".',
    );
  }
  const { path } = parseBody(MakeDirectory, body);
  const { systemId } = target(call, 'ops');
  const system = await pathFor(deps.store, call.caller, systemId, path, 'MODIFY');
  await makeDirs(await openAs(deps, system, userFor(system, call.caller)), system.rootDir, [path]);
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
    return { says: `FAPI_OP_COMPLETE ${path} was deleted` };
  },
});

const grant = route({
  method: 'post',
  path: below('permissions'),
  handle: async (call, { store }) => {
    const { systemId, path } = target(call, 'permissions');
    const system = await systemFor(store, call.caller, systemId, 'OWNER');
    const { username, permission } = parseBody(FilePermission, call.body);
    await store.grants.grant(
      call.caller.tenant,
      `files:${system.id}:${normalizePath(path)}`,
      username,
      [permission],
      call.caller.user,
    );
    return {
      says: 'FAPI_PERM_GRANTED',
      result: { tenantId: call.caller.tenant, username, systemId, path, permission },
    };
  },
});

const getGrant = route({
  method: 'get',
  path: below('permissions'),
  handle: async (call, { store }) => {
    const { systemId, path } = target(call, 'permissions');
    const username = call.query['username'] ?? call.caller.user;
    if (username !== call.caller.user) await systemFor(store, call.caller, systemId, 'OWNER');
    const levels = await store.grants.levels(
      call.caller.tenant,
      `files:${systemId}:${normalizePath(path)}`,
      username,
    );
    const permission = levels.includes('MODIFY') ? 'MODIFY' : levels.includes('READ') ? 'READ' : null;
    return {
      says: 'FAPI_PERM_FOUND',
      result: { tenantId: call.caller.tenant, username, systemId, path, permission },
    };
  },
});

const revoke = route({
  method: 'delete',
  path: below('permissions'),
  handle: async (call, { store }) => {
    const { systemId, path } = target(call, 'permissions');
    const system = await systemFor(store, call.caller, systemId, 'OWNER');
    const { username } = call.query;
    if (!username) throw new KilimError('INVALID_REQUEST', 'username: is required');
    await store.grants.revoke(call.caller.tenant, `files:${system.id}:${normalizePath(path)}`, username, [
      'READ',
      'MODIFY',
    ]);
    return { says: 'FAPI_PERM_REVOKED' };
  },
});

/** Files (specification: platform §5). */
export const fileRoutes: readonly Route[] = [list, content, insert, remove, grant, getGrant, revoke];
