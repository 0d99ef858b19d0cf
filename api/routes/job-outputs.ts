import { KilimError } from '../../domain/errors.js';
import { normalizeFound, normalizePath } from '../../domain/files/path.js';
import type { Job } from '../../domain/jobs/job.js';
import type { JobPlan } from '../../domain/jobs/job-plan.js';
import { isTerminal } from '../../domain/jobs/status.js';
import { streamsOf } from '../../domain/jobs/streams.js';
import type { Host } from '../../hosts/host.js';
import { foundPath } from '../../hosts/found-path.js';
import { listFiles, statPath } from '../../hosts/list-files.js';
import { openRead } from '../../hosts/read-files.js';
import type { Fence, Root } from '../../hosts/rooted.js';
import { outputsFor, visibleJobFor } from '../authorize.js';
import type { ApiDeps } from '../deps.js';
import { fileRecord } from '../file-record.js';
import { decoded } from '../file-target.js';
import { refuseTooMany } from '../host-attempts.js';
import { flag, listMetadata, pagingOf } from '../paging.js';
import { partOf } from '../ranges.js';
import { route, type Call, type Route } from '../route.js';
import { sliced } from '../slices.js';
import { refuseThisMachine } from '../this-machine.js';
import { zipOf } from '../zip.js';

/** For each route: where the URL holds the job and the path. */
const OUTPUTS = {
  list: /^\/v3\/jobs\/([^/]+)\/output\/list(?:\/(.*))?$/,
  download: /^\/v3\/jobs\/([^/]+)\/output\/download(?:\/(.*))?$/,
};
/** The same without groups, for the router: it decodes each group, and refuses bytes that are not UTF-8. */
const ROUTES: Record<keyof typeof OUTPUTS, RegExp> = {
  list: /^\/v3\/jobs\/[^/]+\/output\/list(?:\/.*)?$/,
  download: /^\/v3\/jobs\/[^/]+\/output\/download(?:\/.*)?$/,
};

interface Place {
  job: Job;
  host: Host;
  systemId: string;
  root: Root;
  base: string;
  path: string;
  /** How the client is to call the file, where its path does not say so. */
  name?: string | undefined;
}

/** From the archive only when archiving is known to be complete; else from the execution system (jobs §1.10). */
async function placeOf(call: Call, deps: ApiDeps, what: keyof typeof OUTPUTS): Promise<Place> {
  const [pathname = ''] = (call.request.url ?? '').split('?');
  const [, uuid = '', rest = ''] = OUTPUTS[what].exec(pathname) ?? [];
  const job = await visibleJobFor(deps.store, call.caller, decoded(uuid));
  if (!isTerminal(job.status) && !flag('allowIfRunning', call.query['allowIfRunning'])) {
    throw new KilimError(
      'INVALID_REQUEST',
      `JOBS_JOB_NOT_TERMINATED Job ${uuid} is ${job.status}; ask with allowIfRunning=true.`,
    );
  }
  const { plan } = job;
  const isArchived = isTerminal(job.status) && job.archived;
  const asked = decoded(rest);
  if (asked.split('/').includes('..'))
    throw new KilimError('INVALID_REQUEST', `outputPath: "${asked}" may not contain ..`);
  const use = isArchived ? plan.archive : plan.exec;
  const base = normalizePath(isArchived ? plan.archiveSystemDir : plan.execSystemOutputDir);
  await refuseTooMany(deps, call.caller);
  const { system, fence } = await outputsFor(deps.store, call.caller, job, { isArchived, base });
  await refuseThisMachine(deps, system, []);
  // like the worker, this opens the system at its present address
  const { host, port } = system;
  const opened = await deps.hosts.open({ tenant: job.tenant, ...use, host, port });
  const place = {
    job,
    host: opened,
    systemId: use.systemId,
    root: { rootDir: use.rootDir, fences: [{ path: fence }, fenceOfOutputs(plan, isArchived, base)] },
    base,
    path: await foundPath(opened, use.rootDir, normalizeFound(`${base}/${asked}`)),
  };
  const isWhereItRan = !isArchived || plan.archivesInPlace;
  return what === 'download' && isWhereItRan ? ownStreamOf(place, asked, fence) : place;
}

/**
 * What the application says is read from the job's ledger where it may be there: in the output directory another job may have
 * taken the name. Where it is not to be had from there, as of a job of an older Kilim, the name has it.
 */
async function ownStreamOf(place: Place, asked: string, fence: string): Promise<Place> {
  const { plan } = place.job;
  const stream = streamsOf(plan).find(({ name }) => name === normalizeFound(asked));
  if (!stream) return place;
  const ledger = normalizePath(`${plan.execSystemExecDir}/.kilim/${plan.uuid}`);
  const path = `${ledger}/${stream.file.slice(stream.file.lastIndexOf('/') + 1)}`;
  const root = {
    rootDir: plan.exec.rootDir,
    fences: [{ path: fence }, fenceOfOutputs(plan, false, ledger)],
  };
  try {
    await statPath(place.host, root, path);
    return { ...place, root, path, name: stream.name.split('/').at(-1) };
  } catch {
    return place;
  }
}

/**
 * The fence that no link may lead out of: the directory of the outputs. On the execution system the job may have replaced its own
 * directories by links, so the last names of that path must be real directories.
 */
function fenceOfOutputs(plan: JobPlan, isArchived: boolean, base: string): Fence {
  if (isArchived && plan.archive.systemId !== plan.exec.systemId) return { path: base };
  const execDir = normalizePath(plan.execSystemExecDir);
  if (!`${base}/`.startsWith(`${execDir}/`)) return { path: base, own: isArchived ? 0 : 1 };
  const names = (path: string): number => path.split('/').filter(Boolean).length;
  return { path: base, own: names(base) - names(execDir) + 1 };
}

const list = route({
  method: 'get',
  path: ROUTES.list,
  handle: async (call, deps) => {
    const { host, root, path, systemId } = await placeOf(call, deps, 'list');
    const paging = pagingOf(call);
    // without paging the whole tree is listed, with it one level (jobs §1.10)
    const recurse = call.query['limit'] === undefined && paging.skip === 0;
    const files = await listFiles(host, root, path, {
      recurse,
      skipUnreadable: true,
      limit: recurse ? 100_000 : paging.limit,
      offset: paging.skip,
    });
    return {
      says: `JOBS_OUTPUT_FILES_LIST_RETRIEVED ${files.length} entries`,
      slices: sliced(files, false, (some) => Promise.resolve(some.map((info) => fileRecord(info, systemId)))),
      metadata: listMetadata(call, paging, files.length, files.length),
    };
  },
});

const download = route({
  method: 'get',
  path: ROUTES.download,
  handle: async (call, deps) => {
    const { job, host, root, path, base, name: called } = await placeOf(call, deps, 'download');
    const found = await statPath(host, root, path);
    const isDir = found.type === 'dir';
    if (isDir && (await listFiles(host, root, path, { recurse: false, limit: 1, offset: 0 })).length === 0)
      return { says: `JOBS_EMPTY_DIR_FOR_DOWNLOAD The directory is empty.` };
    const name = called ?? path.split('/').at(-1) ?? job.uuid;
    if (isDir || flag('compress', call.query['compress'])) {
      return {
        host,
        open: (signal) => zipOf(host, root, path, signal),
        name: `${path === base ? job.uuid : name}.zip`,
      };
    }
    const part = partOf(call.headers['range'], found.size);
    // The file of a running job may grow while it is sent, so its answer promises no length. For an ended job the length is
    // promised and no more bytes than that are read: what followed would be taken for the next answer on the connection.
    const slice = part ?? (isTerminal(job.status) ? { offset: 0, length: found.size } : undefined);
    return {
      host,
      open: (signal) => openRead(host, root, path, { part: slice, signal }),
      name,
      ...(isTerminal(job.status) && slice ? { size: slice.length } : {}),
      ...(part?.isStandard ? { partial: { ...part, total: found.size } } : {}),
    };
  },
});

/** Outputs of jobs, also while they run. */
export const jobOutputRoutes: readonly Route[] = [list, download];
