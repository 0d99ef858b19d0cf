import { KilimError } from '../../domain/errors.js';
import { fenceOf } from '../../domain/files/path-rights.js';
import { normalizePath } from '../../domain/files/path.js';
import type { Job } from '../../domain/jobs/job.js';
import { isTerminal } from '../../domain/jobs/status.js';
import { listFiles, openRead, refuseOutside, statPath } from '../../hosts/files.js';
import type { Host } from '../../hosts/host.js';
import { visibleJobFor } from '../authorize.js';
import type { ApiDeps } from '../deps.js';
import { decoded } from '../file-target.js';
import { flag, listMetadata, pagingOf } from '../paging.js';
import { partOf } from '../ranges.js';
import { route, type Call, type Route } from '../route.js';
import { zipOf } from '../zip.js';
import { fileRecord } from './files.js';

const OUTPUTS = {
  list: /^\/v3\/jobs\/([^/]+)\/output\/list(?:\/(.*))?$/,
  download: /^\/v3\/jobs\/([^/]+)\/output\/download(?:\/(.*))?$/,
};

interface Place {
  job: Job;
  host: Host;
  systemId: string;
  rootDir: string;
  base: string;
  path: string;
}

/** From the archive only when archiving is known to be complete; else from the execution system (jobs §1.10). */
async function placeOf(call: Call, deps: ApiDeps, what: keyof typeof OUTPUTS): Promise<Place> {
  const [pathname = ''] = (call.request.url ?? '').split('?');
  const [, uuid = '', rest = ''] = OUTPUTS[what].exec(pathname) ?? [];
  const job = await visibleJobFor(deps.store, call.caller, uuid);
  if (!isTerminal(job.status) && !flag('allowIfRunning', call.query['allowIfRunning'])) {
    throw new KilimError(
      'INVALID_REQUEST',
      `JOBS_JOB_NOT_TERMINATED Job ${uuid} is ${job.status}; ask with allowIfRunning=true.`,
    );
  }
  const { plan } = job;
  const isArchived = isTerminal(job.status) && job.archived;
  const use = isArchived ? plan.archive : plan.exec;
  const host = await deps.hosts.open({ tenant: job.tenant, ...use });
  const asked = decoded(rest);
  if (asked.split('/').includes('..'))
    throw new KilimError('INVALID_REQUEST', `outputPath: "${asked}" may not contain ..`);
  const base = normalizePath(isArchived ? plan.archiveSystemDir : plan.execSystemOutputDir);
  const path = normalizePath(`${base}/${asked}`);
  if (use.systemId !== plan.exec.systemId)
    await refuseOutside(host, use.rootDir, await fenceFor(deps, job, use.systemId, base), path);
  return {
    job,
    host,
    systemId: use.systemId,
    rootDir: use.rootDir,
    base,
    path,
  };
}

/** Where the archive is not the owner's own system, its links lead no further than what was granted to him, or the archive. */
async function fenceFor(
  { store }: ApiDeps,
  { tenant, owner }: Job,
  systemId: string,
  base: string,
): Promise<string> {
  const system = await store.systems.find(tenant, systemId);
  if (!system) return base;
  const isAdmin = await store.users.isAdmin(tenant, owner);
  const use = { system, user: owner, isAdmin, path: base, level: 'READ' as const };
  return (await fenceOf(use, (resource) => store.grants.levels(tenant, resource, owner))) ?? base;
}

const list = route({
  method: 'get',
  path: OUTPUTS.list,
  handle: async (call, deps) => {
    const { host, rootDir, path, systemId } = await placeOf(call, deps, 'list');
    const paging = pagingOf(call);
    // without paging the whole tree is listed, with it one level (jobs §1.10)
    const recurse = call.query['limit'] === undefined && paging.skip === 0;
    const files = await listFiles(host, rootDir, path, {
      recurse,
      skipUnreadable: true,
      limit: recurse || paging.limit < 0 ? 100_000 : paging.limit,
      offset: paging.skip,
    });
    return {
      says: `JOBS_OUTPUT_FILES_LIST_RETRIEVED ${files.length} entries`,
      result: files.map((info) => fileRecord(info, systemId)),
      metadata: listMetadata(call, paging, files.length, files.length),
    };
  },
});

const download = route({
  method: 'get',
  path: OUTPUTS.download,
  handle: async (call, deps) => {
    const { job, host, rootDir, path, base } = await placeOf(call, deps, 'download');
    const found = await statPath(host, rootDir, path);
    const isDir = found.type === 'dir';
    if (isDir && (await listFiles(host, rootDir, path, { recurse: false, limit: 1, offset: 0 })).length === 0)
      return { says: `JOBS_EMPTY_DIR_FOR_DOWNLOAD The directory is empty.` };
    const name = path.split('/').at(-1) ?? job.uuid;
    if (isDir || flag('compress', call.query['compress'])) {
      return { stream: await zipOf(host, rootDir, path), name: `${path === base ? job.uuid : name}.zip` };
    }
    const part = partOf(call.headers['range'], found.size);
    // a running job's file may grow while it is sent: no length is promised then
    const size = isTerminal(job.status) ? { size: part?.length ?? found.size } : {};
    return {
      stream: await openRead(host, rootDir, path, part ?? undefined),
      name,
      ...size,
      ...(part?.isStandard ? { partial: { ...part, total: found.size } } : {}),
    };
  },
});

/** Outputs of jobs, also while they run. */
export const jobOutputRoutes: readonly Route[] = [list, download];
