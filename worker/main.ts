import { join } from 'node:path';
import { randomBytes } from 'node:crypto';

import { Client, Connection } from '@temporalio/client';
import { loadClientConnectConfig } from '@temporalio/envconfig';
import { NativeConnection } from '@temporalio/worker';
import { pino } from 'pino';

import { createHints } from '../activities/hints.js';
import type { Deps } from '../activities/deps.js';
import { KilimError } from '../domain/errors.js';
import { createHosts } from '../hosts/hosts.js';
import { startWatchdog } from '../ops/watchdog.js';
import { runtimes } from '../runtimes/index.js';
import { masterKeys, parseConfig, type Config } from '../schemas/config.js';
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

/** The worker program, configured by the environment alone. SIGTERM drains. */
async function main(): Promise<void> {
  const config = parseConfig(process.env);
  const log = pino({ level: config.LOG_LEVEL, base: { program: 'worker' } }, pino.destination(2));
  const metrics = createMetrics(log);
  const sdkAddress = await freeAddress();
  installTelemetry(log, config.KILIM_METRICS_PORT === undefined ? null : sdkAddress);
  const store = metrics.measured(
    await openStore({ url: config.DATABASE_URL, keys: masterKeys(config), mayMigrate: false }),
  );
  const { connectionOptions } = loadClientConnectConfig();
  const connection = await NativeConnection.connect({
    ...connectionOptions,
    address: config.TEMPORAL_ADDRESS,
  });
  const client = new Client({
    connection: await Connection.connect({ ...connectionOptions, address: config.TEMPORAL_ADDRESS }),
    namespace: config.TEMPORAL_NAMESPACE,
  });
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
    workflowBundle: {
      codePath: config.KILIM_WORKFLOW_BUNDLE ?? new URL('../workflow-bundle.js', import.meta.url).pathname,
    },
    deps,
  });
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
    openHost: hostOpener(store, hosts),
    probeHost: hostProber(store, hosts),
    metrics: metrics.hooks,
  };
}

main().catch((error: unknown) => {
  const said = error instanceof Error ? error.message : String(error);
  // a refusal is a sentence for people; anything else is a fault, with its place
  const isRefusal =
    said.startsWith('Kilim cannot start') || error instanceof KilimError || !(error instanceof Error);
  process.stderr.write(`${isRefusal ? said : (error.stack ?? said)}\n`);
  process.exit(1);
});
