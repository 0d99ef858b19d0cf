import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

import { ApplicationFailure } from '@temporalio/common';
import type { WorkflowHandle, WorkflowHandleWithFirstExecutionRunId } from '@temporalio/client';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { bundleWorkflowCode, DefaultLogger, Runtime, Worker, type BundleOptions } from '@temporalio/worker';

import type { Activities } from '../../activities/index.js';
import type { Outcome } from '../../domain/jobs/outcome.js';
import type { ErrorCode } from '../../domain/errors.js';
import type { StatusRecord } from '../../domain/jobs/job.js';
import type { Ticket } from '../../domain/jobs/ticket.js';
import { SEARCH_ATTRIBUTES } from '../../domain/jobs/labels.js';
import { DYNAMIC } from '../../launcher/programs.js';
import { provisionTemporal } from '../../launcher/provision-temporal.js';
import type { runJob } from '../../workflows/index.js';

type History = Awaited<ReturnType<WorkflowHandle['fetchHistory']>>;
interface Codec {
  fromObject: (json: object) => History;
  toObject: (history: History, options: object) => object;
}

/** The SDK's own message types, of the very copy that the worker uses; its `historyToJSON` fails on others. */
const sdk = createRequire(createRequire(import.meta.url).resolve('@temporalio/worker'));
const { History } = (
  sdk('@temporalio/proto') as { temporal: { api: { history: { v1: { History: Codec } } } } }
).temporal.api.history.v1;

export const HISTORIES = new URL('../histories/', import.meta.url).pathname;
/** `KILIM_RECORD_HISTORIES=true`: the lives of these tests become the recorded ones. */
const isRecording = process.env['KILIM_RECORD_HISTORIES'] === 'true';

/** Fakes of the steps; each notes that it was called. */
export type Steps = { [K in keyof Activities]?: Activities[K] };

export interface Life {
  handle: WorkflowHandleWithFirstExecutionRunId<typeof runJob>;
  /** Every status in the order in which it was recorded. */
  statuses: () => string[];
  records: StatusRecord[];
  calls: (keyof Activities)[];
  /** Resolves when the status has been recorded. */
  until: (status: string) => Promise<StatusRecord>;
}

export interface Engine {
  env: TestWorkflowEnvironment;
  /** Starts a job whose steps are the given ones, the others do nothing. */
  live: (steps?: Steps, ticket?: Partial<Ticket>, more?: { startDelay?: '2 seconds' }) => Promise<Life>;
  history: (life: Life) => Promise<History>;
  /** Keeps the history as one to be replayed by later versions; only while recording. */
  keep: (life: Life, name: string) => Promise<void>;
  stop: () => Promise<void>;
}

export const finished: Outcome & { expired: boolean } = {
  remoteOutcome: 'FINISHED',
  remoteResultInfo: '0',
  archive: true,
  expired: false,
};

/** Where it was recorded is nobody's business. */
const withoutPlaces = (key: string, value: unknown): unknown =>
  key === 'stackTrace' ? '' : typeof value === 'string' ? value.replace(/^\d+@[\w.-]+$/, 'worker') : value;

Runtime.install({ logger: new DefaultLogger('ERROR') });

/** The workflows as they are now, not as they were last built. */
export const bundleOptions: BundleOptions = {
  workflowsPath: new URL('../../workflows/index.ts', import.meta.url).pathname,
  logger: new DefaultLogger('ERROR'),
  webpackConfigHook: (config) => ({
    ...config,
    resolve: { ...config.resolve, extensionAlias: { '.js': ['.ts', '.js'] } },
  }),
};

/** A real Temporal server and a worker with the workflows as they are now; the activities are fakes. */
export async function anEngine(): Promise<Engine> {
  const env = await TestWorkflowEnvironment.createLocal({
    server: {
      executable: { type: 'existing-path', path: await provisionTemporal(() => undefined) },
      extraArgs: [
        ...DYNAMIC.flatMap((setting) => ['--dynamic-config-value', setting]),
        ...SEARCH_ATTRIBUTES.flatMap((name) => ['--search-attribute', `${name}=Keyword`]),
      ],
    },
  });
  const bundle = await bundleWorkflowCode(bundleOptions);
  const lives = new Map<string, { steps: Steps; life: Omit<Life, 'handle'>; heard: (() => void)[] }>();
  const worker = await Worker.create({
    connection: env.nativeConnection,
    taskQueue: 'test',
    workflowBundle: bundle,
    activities: fakes(lives),
  });
  const running = worker.run();
  let number = 0;

  const history = async ({ handle }: Life): Promise<History> =>
    History.fromObject(await env.client.workflow.getHandle(handle.workflowId).fetchHistory());
  return {
    env,
    history,
    async live(steps = {}, ticket = {}, more = {}) {
      const uuid = `00000000-0000-4000-8000-${String(++number).padStart(12, '0')}-007`;
      const records: StatusRecord[] = [];
      const heard: (() => void)[] = [];
      const life: Omit<Life, 'handle'> = {
        records,
        calls: [],
        statuses: () => records.map(({ status }) => status),
        until: async (status) => {
          for (;;) {
            const found = records.findLast((record) => record.status === status);
            if (found) return found;
            await new Promise<void>((resolve) => heard.push(resolve));
          }
        },
      };
      lives.set(uuid, { steps, life, heard });
      const handle = await env.client.workflow.start<typeof runJob>('runJob', {
        workflowId: uuid,
        taskQueue: 'test',
        args: [{ uuid, ...ticket }],
        ...more,
      });
      return { ...life, handle };
    },
    async keep(life, name) {
      if (!isRecording) return;
      const kept = History.toObject(await history(life), { longs: String, bytes: String, enums: String });
      writeFileSync(join(HISTORIES, `${name}.json`), `${JSON.stringify(kept, withoutPlaces, 1)}\n`);
    },
    async stop() {
      worker.shutdown();
      await running;
      await env.teardown();
    },
  };
}

const fakes = (
  lives: Map<string, { steps: Steps; life: Omit<Life, 'handle'>; heard: (() => void)[] }>,
): Record<string, (...args: never[]) => Promise<unknown>> => {
  const fake =
    (name: keyof Activities, otherwise: unknown) =>
    async (...args: unknown[]): Promise<unknown> => {
      const told = args.find((arg) => Array.isArray(arg)) as StatusRecord[] | undefined;
      const uuid = typeof args[0] === 'string' ? args[0] : (told?.[0]?.uuid ?? '');
      const found = lives.get(uuid);
      if (!found) throw new Error(`nobody knows ${uuid}`);
      found.life.calls.push(name);
      const step = found.steps[name] as ((...args: unknown[]) => Promise<unknown>) | undefined;
      // a step tells first, and the store takes what is new
      found.life.records.push(
        ...(told ?? []).filter(({ rev }) => rev > (found.life.records.at(-1)?.rev ?? 0)),
      );
      for (const tell of found.heard.splice(0)) tell();
      return step ? await step(...args) : otherwise;
    };
  const held = { done: true, said: '1 process stopped (SIGSTOP)' };
  return {
    admitJob: fake('admitJob', { inputs: true, directories: true }),
    makeDirectories: fake('makeDirectories', undefined),
    stageInputs: fake('stageInputs', undefined),
    stageJob: fake('stageJob', undefined),
    submitJob: fake('submitJob', { remoteJobId: '42', host: 'alice@host:22', isQueued: true }),
    awaitRemoteStart: fake('awaitRemoteStart', undefined),
    awaitRemoteEnd: fake('awaitRemoteEnd', finished),
    holdRemote: fake('holdRemote', held),
    releaseRemote: fake('releaseRemote', held),
    stopRemote: fake('stopRemote', undefined),
    archiveOutputs: fake('archiveOutputs', undefined),
    recordStatuses: fake('recordStatuses', undefined),
    awaitRecovery: fake('awaitRecovery', undefined),
  };
};

/** As the worker's interceptor sends it. */
export const failure = (type: ErrorCode | 'NOT_YET', message = `it is ${type}`): ApplicationFailure =>
  ApplicationFailure.create({
    type,
    message,
    nonRetryable: type !== 'NOT_YET',
    ...(type === 'NOT_YET' ? { nextRetryDelay: 5 } : {}),
    details: [{ systemId: 'host' }],
  });

export const recorded = (): string[] =>
  readdirSync(HISTORIES).filter((name) => name.endsWith('.json')).sort(); // prettier-ignore

export const readHistory = (name: string): History =>
  History.fromObject(JSON.parse(readFileSync(join(HISTORIES, name), 'utf8')) as object);
