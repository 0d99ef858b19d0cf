import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

import { Client, Connection } from '@temporalio/client';
import { loadClientConnectConfig } from '@temporalio/envconfig';
import { NativeConnection } from '@temporalio/worker';

import { createHints } from '../activities/hints.js';
import type { Deps } from '../activities/deps.js';
import { KilimError } from '../domain/errors.js';
import { startFault } from '../domain/start-fault.js';
import { createHosts } from '../hosts/hosts.js';
import { programLog } from '../ops/program-log.js';
import { startWatchdog } from '../ops/watchdog.js';
import { runtimes } from '../runtimes/index.js';
import { keysFrom, masterKeys, parseConfig, type Config } from '../schemas/config.js';
import { schedulers } from '../schedulers/index.js';
import { hostLookups } from '../store/host-lookups.js';
import { openStore } from '../store/open-store.js';
import { createEngine } from './engine.js';
import { makeWorker } from './make-worker.js';
import { hostOpener, hostProber } from './open-host.js';
import { createMetrics, freeAddress, serveMetrics, type WorkerMetrics } from './metrics.js';
import { createReconciler } from './reconcile.js';
import { createSweeper } from './sweep.js';
import { installTelemetry } from './telemetry.js';

const RECONCILE_MS = 5_000;
/** Once this is true, an error that ends the program is a crash, and another start may help. */
let hasStarted = false;

/** The worker program, configured by the environment alone. SIGTERM drains. */
async function main(): Promise<void> {
  const config = parseConfig(process.env);
  const { log, dropped } = programLog('worker', config.LOG_LEVEL);
  const metrics = createMetrics(log);
  metrics.countDropped(dropped);
  const sdkAddress = await freeAddress();
  installTelemetry(log, config.KILIM_METRICS_PORT === undefined ? null : sdkAddress);
  const store = metrics.measured(
    await openStore({
      url: config.DATABASE_URL,
      keys: masterKeys(config),
      keysFrom: keysFrom(config),
      mayMigrate: false,
      isChecked: true,
    }),
  );
  const { connection, client } = await connect(config);
  const engine = createEngine(client, config.KILIM_TASK_QUEUE, log);
  const deps: Deps = {
    ...worldOf(config, store, metrics),
    engine,
    log,
    installation: await store.settings.init('installation', randomBytes(4).toString('hex')),
  };
  const worker = await makeWorker({
    connection,
    namespace: config.TEMPORAL_NAMESPACE,
    taskQueue: config.KILIM_TASK_QUEUE,
    workflowBundle: { codePath: bundleOf(config) },
    deps,
  }).catch(engineIsAway(config));
  const port = config.KILIM_METRICS_PORT;
  const server =
    port === undefined
      ? null
      : await serveMetrics({
          registry: metrics.registry,
          host: config.KILIM_METRICS_HOST,
          port,
          sdkAddress,
          isRunning: () => worker.getState() === 'RUNNING',
        });
  const reconcile = createReconciler(deps, client, engine.start);
  const mending = setInterval(() => {
    reconcile().catch((error: unknown) => log.warn({ err: error }, 'the reconciler will try again'));
  }, RECONCILE_MS);
  const sweep = createSweeper(deps, 1.5 * config.KILIM_SWEEP_MINUTES * 60_000);
  const sweeping = setInterval(() => void sweep(), config.KILIM_SWEEP_MINUTES * 60_000);
  startWatchdog();
  log.info({ taskQueue: config.KILIM_TASK_QUEUE }, 'the worker runs');
  hasStarted = true;
  await worker.run(); // ends by SIGTERM or SIGINT, after the drain
  clearInterval(mending);
  clearInterval(sweeping);
  server?.close();
  await Promise.allSettled([connection.close(), client.connection.close(), store.close()]);
  process.exit(0);
}

function worldOf(
  config: Config,
  store: Deps['store'],
  metrics: WorkerMetrics,
): Omit<Deps, 'engine' | 'log' | 'installation'> {
  const hosts = createHosts({
    ...hostLookups(store),
    reach: { allowed: config.KILIM_ALLOWED_HOSTS ?? null, isTold: false },
    local: {
      isEnabled: config.KILIM_LOCAL_EXECUTION,
      runAs: config.KILIM_LOCAL_USER,
      home: join(config.KILIM_HOME, 'local'),
    },
  });
  metrics.countHosts(hosts);
  return {
    store,
    runtimes,
    schedulers,
    hints: createHints(),
    allowPrivateFetch: config.KILIM_ALLOW_PRIVATE_FETCH,
    blockedLimitMs: (subject) => {
      const minutes =
        subject === 'host' ? config.KILIM_HOST_DOWN_LIMIT_MINUTES : config.KILIM_BLOCKED_LIMIT_MINUTES;
      return minutes === undefined ? Infinity : minutes * 60_000;
    },
    openHost: hostOpener(store, hosts, {
      isEnabled: config.KILIM_LOCAL_EXECUTION,
      users: config.KILIM_LOCAL_USERS,
    }),
    probeHost: hostProber(store, hosts),
    metrics: metrics.hooks,
  };
}

/** @throws KilimError ENGINE_UNAVAILABLE: Temporal may not be up yet */
async function connect(config: Config): Promise<{ connection: NativeConnection; client: Client }> {
  const { connectionOptions } = loadClientConnectConfig();
  const options = { ...connectionOptions, address: config.TEMPORAL_ADDRESS };
  const connection = await NativeConnection.connect(options).catch(engineIsAway(config));
  const client = new Client({
    connection: await Connection.connect(options).catch(engineIsAway(config)),
    namespace: config.TEMPORAL_NAMESPACE,
  });
  return { connection, client };
}

const engineIsAway =
  ({ TEMPORAL_ADDRESS: address, TEMPORAL_NAMESPACE: namespace }: Config) =>
  (error: unknown): never => {
    const why = error instanceof Error ? error.message : String(error);
    throw new KilimError(
      'ENGINE_UNAVAILABLE',
      `Temporal at ${address} (TEMPORAL_ADDRESS), namespace ${namespace}, does not serve this worker: ${why}`,
    );
  };

function bundleOf(config: Config): string {
  const file = config.KILIM_WORKFLOW_BUNDLE ?? new URL('../workflow-bundle.js', import.meta.url).pathname;
  if (existsSync(file)) return file;
  throw new KilimError(
    'CANNOT_START',
    `The workflows' code ${file} (KILIM_WORKFLOW_BUNDLE) is not there: run "npm run build".`,
  );
}

main().catch((error: unknown) => {
  const fault = error instanceof Error ? (error.stack ?? error.message) : String(error);
  process.stderr.write(`${hasStarted ? fault : startFault(error)}\n`);
  process.exit(1);
});
