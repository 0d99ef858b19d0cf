import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';

import type { App } from '../../../domain/apps/app.js';
import type { Job } from '../../../domain/jobs/job.js';
import type { JobPlan, PlannedJob } from '../../../domain/jobs/job-plan.js';
import type { System } from '../../../domain/systems/system.js';
import { openStore } from '../../../store/open-store.js';
import { Sqlite } from '../../../store/sqlite.js';
import type { JobQuery, Store } from '../../../store/store.js';
import { part } from '../../support/testbed.js';

/** A database of its own for one test file. */
export interface Place {
  url: string;
  key: Buffer;
  open: (more?: { keys?: Buffer[]; mayMigrate?: boolean }) => Promise<Store>;
  /** Plain SQL beside the store. */
  sql: (text: string) => Promise<Record<string, unknown>[]>;
  remove: () => Promise<void>;
}

/** The database that is given, or the one of the test bed. */
const POSTGRES = process.env['KILIM_TEST_DATABASE_URL'] ?? part('postgres')?.DATABASE_URL;

export const DATABASES: { name: string; make: () => Promise<Place> }[] = [
  { name: 'SQLite', make: aSqlitePlace },
  ...(POSTGRES ? [{ name: 'PostgreSQL', make: () => aPostgresPlace(POSTGRES) }] : []),
];

/** Where nothing may be left out (CI), a missing PostgreSQL is a failure; elsewhere a skipped test that names it. */
export function needsPostgres(): void {
  if (POSTGRES) return;
  it.skipIf(process.env['CI'] !== 'true')('runs on PostgreSQL too (KILIM_TEST_DATABASE_URL)', () => {
    expect.fail('KILIM_TEST_DATABASE_URL is not set');
  });
}

const withOpen = (url: string): Pick<Place, 'url' | 'key' | 'open'> => {
  const key = randomBytes(32);
  return {
    url,
    key,
    open: ({ keys = [key], mayMigrate = true } = {}) => openStore({ url, keys, mayMigrate }),
  };
};

function aSqlitePlace(): Promise<Place> {
  const folder = mkdtempSync(join(tmpdir(), 'kilim-store-'));
  const file = join(folder, 'store.db');
  return Promise.resolve({
    ...withOpen(`sqlite:${file}`),
    // eslint-disable-next-line @typescript-eslint/require-await -- what it throws becomes a rejection, as with PostgreSQL
    sql: async (text) => {
      const db = new Sqlite(file, { timeout: 5_000 });
      try {
        const statement = db.prepare(text);
        if (statement.reader) return statement.all() as Record<string, unknown>[];
        statement.run();
        return [];
      } finally {
        db.close();
      }
    },
    remove: () => Promise.resolve(rmSync(folder, { recursive: true, force: true })),
  });
}

async function aPostgresPlace(base: string): Promise<Place> {
  const schema = `kilim_test_${randomBytes(6).toString('hex')}`;
  const run = async (text: string, connectionString: string): Promise<Record<string, unknown>[]> => {
    const client = new pg.Client({ connectionString });
    await client.connect();
    try {
      return (await client.query<Record<string, unknown>>(text)).rows;
    } finally {
      await client.end();
    }
  };
  await run(`create schema ${schema}`, base);
  const url = new URL(base);
  url.searchParams.set('options', `-c search_path=${schema}`);
  url.searchParams.set('application_name', schema);
  return {
    ...withOpen(url.href),
    sql: (text) => run(text, url.href),
    remove: async () => void (await run(`drop schema ${schema} cascade`, base)),
  };
}

/**
 * Opens a store on a database of its own for the tests of a block, or for each test, and removes both behind them.
 * @param use takes the store and its place before the tests begin
 */
export function withStore(
  make: () => Promise<Place>,
  use: (opened: { place: Place; store: Store }) => void,
  per: 'block' | 'test' = 'block',
): void {
  let opened: { place: Place; store: Store } | null = null;
  const [before, after] = per === 'block' ? [beforeAll, afterAll] : [beforeEach, afterEach];
  before(async () => {
    const place = await make();
    opened = { place, store: await place.open() };
    use(opened);
  });
  after(async () => {
    await opened?.store.close();
    await opened?.place.remove();
  });
}

/** Does something many times at once, on connections that are there already: else they come one by one, and nothing meets. */
export async function atOnce<T>(store: Store, times: number, act: (i: number) => Promise<T>): Promise<T[]> {
  await Promise.all(Array.from({ length: 10 }, () => store.ping()));
  return Promise.all(Array.from({ length: times }, (_, i) => act(i)));
}

/** All jobs of a list, with their plans. */
export const listedJobs = async (
  store: Store,
  query: Partial<JobQuery> & { owner: string },
): Promise<Job[]> => {
  const all = { tenant: 'dev', orderBy: [], limit: 10_000, skip: 0, computeTotal: false };
  return store.jobs.many((await store.jobs.list({ ...all, ...query })).ids);
};

const aSystemUse = (more: Partial<JobPlan['exec']> = {}): JobPlan['exec'] => ({
  systemId: 'vm', rootDir: '/', host: 'vm.example.org', port: 22, loginUser: 'alice', asUser: 'alice', ...more,
}); // prettier-ignore

export function aPlanned(more: Partial<JobPlan> = {}, env: PlannedJob['env'] = []): PlannedJob {
  const plan: JobPlan = {
    uuid: `${randomUUID()}-007`, tenant: 'dev', owner: 'alice', createdby: 'alice', createdbyTenant: 'dev', name: 'a job',
    description: 'says what', created: '2026-11-24T00:00:00.000000Z', appId: 'img-classify', appVersion: '0.0.1', appOwner: 'alice',
    jobType: 'FORK', runtime: 'ZIP', runtimeOptions: [], containerImage: '/app.zip', containerEngine: 'docker', containerEngineArgs: [],
    keeper: 'process', repeatable: false, exec: aSystemUse(), execSystemExecDir: '/e', execSystemInputDir: '/i', execSystemOutputDir: '/o',
    paths: { rootDir: '/', execDir: '/e', inputDir: '/i', outputDir: '/o' }, archive: aSystemUse({ systemId: 'archive' }), archiveSystemDir: '/a',
    archiveMode: 'ALWAYS', archivesInPlace: false, dtn: null, logicalQueue: null, hpcQueue: null, nodeCount: 1, coresPerNode: 1,
    memoryMB: 100, maxMinutes: 10, isMpi: false, mpiCmd: null, cmdPrefix: null, prefix: '', inputs: [], appArgs: [], containerArgs: [],
    schedulerOptions: [], envNames: env.map(({ key }) => key), archiveFilter: { includes: [], excludes: [], includeLaunchFiles: true },
    logConfig: { stdoutFilename: 'tapisjob.out', stderrFilename: 'tapisjob.out' }, moduleLoads: [], hiddenOptions: [], sharedAppCtx: null,
    sharedAppCtxAttribs: [], appMaxJobs: 0, appMaxJobsPerUser: 0, execSystemConstraints: null, dynamicExecSystem: false, subscriptions: [],
    tags: ['one', 'two'], notes: { colour: 'red' }, ...more,
  }; // prettier-ignore
  return { plan, env };
}

/** The store keeps systems and applications as they are: a few members stand for all. */
export const aSystem = (more: Partial<System> = {}): System =>
  ({ tenant: 'dev', id: 'vm', uuid: randomUUID(), owner: 'alice', enabled: true, deleted: false, effectiveUserId: '${apiUserId}',
    rootDir: '/', host: 'vm.example.org', port: 22, hostKey: null, notes: {}, ...more }) as System; // prettier-ignore

export const anApp = (more: Partial<App> = {}): App =>
  ({ tenant: 'dev', id: 'img-classify', version: '0.0.1', uuid: randomUUID(), owner: 'alice', created: '2026-11-24T00:00:00.000000Z', ...more }) as App; // prettier-ignore
