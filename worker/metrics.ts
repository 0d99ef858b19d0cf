import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';

import type { Deps } from '../activities/deps.js';
import { isTerminal } from '../domain/jobs/status.js';
import type { Store } from '../store/store.js';

export interface WorkerMetrics {
  hooks: Deps['metrics'];
  registry: Registry;
  /** The same store; every job that ends through it tells how long its phases took. */
  measured: (store: Store) => Store;
  /** Lines of the log that could not be written. */
  countDropped: (lines: () => number) => void;
  countHosts: (hosts: { sessions: () => number; commands: () => number }) => void;
}

/** From a launch of a few milliseconds to a run of a week. */
const SECONDS = [0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300, 1_000, 10_000, 100_000, 600_000];

/** What Prometheus reads of a worker. */
export function createMetrics(log: Deps['log']): WorkerMetrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const registers = [registry];
  const adopted = new Counter({
    name: 'kilim_submissions_adopted_total',
    help: 'Launches that were found on their host and adopted instead of started again',
    registers,
  });
  const steps = new Histogram({
    name: 'kilim_step_seconds',
    help: "Durations of the engine's steps, each attempt by itself",
    labelNames: ['step'],
    buckets: SECONDS,
    registers,
  });
  const phases = new Histogram({
    name: 'kilim_phase_seconds',
    help: 'How long jobs that have ended were in each status',
    labelNames: ['status'],
    buckets: SECONDS,
    registers,
  });

  async function measure(store: Store, uuid: string): Promise<void> {
    const moves = (await store.jobs.events(uuid, -1, 0)).filter(({ event }) => event === 'JOB_NEW_STATUS');
    moves.slice(1).forEach(({ created }, i) => {
      const before = moves[i];
      if (before)
        phases.observe(
          { status: before.eventDetail },
          (Date.parse(created) - Date.parse(before.created)) / 1000,
        );
    });
  }

  return {
    registry,
    hooks: {
      adopted: () => adopted.inc(),
      phase: (step, seconds) => steps.observe({ step }, seconds),
    },
    measured: (store) => ({
      ...store,
      jobs: {
        ...store.jobs,
        async record(record) {
          const recorded = await store.jobs.record(record);
          // beside the job's way: a figure is worth no wait
          if (isTerminal(record.status) && recorded.job.rev === record.rev)
            measure(store, record.uuid).catch((error: unknown) =>
              log.warn({ uuid: record.uuid, err: error }, 'the phases of a job were not measured'),
            );
          return recorded;
        },
      },
    }),
    countDropped(lines) {
      new Counter({
        name: 'kilim_log_lines_dropped_total',
        help: 'Lines of the log that could not be written, as to a full disk',
        registers,
        collect() {
          this.reset();
          this.inc(lines());
        },
      });
    },
    countHosts({ sessions, commands }) {
      new Counter({
        name: 'kilim_remote_commands_total',
        help: 'Commands sent to hosts over SSH',
        registers,
        collect() {
          this.reset();
          this.inc(commands());
        },
      });
      new Gauge({
        name: 'kilim_ssh_sessions',
        help: 'Open SSH connections of this program',
        registers,
        collect() {
          this.set(sessions());
        },
      });
    },
  };
}

export interface MetricsServer {
  registry: Registry;
  host: string;
  port: number;
  /** Where the SDK serves its own figures; they are appended. */
  sdkAddress: string;
  isRunning: () => boolean;
}

/**
 * `GET /metrics` and `GET /healthz` of a worker.
 * @throws Error where the port is taken
 */
export async function serveMetrics(options: MetricsServer): Promise<Server> {
  const { registry, host, port, sdkAddress, isRunning } = options;
  const server = createServer((req, res) => {
    const path = new URL(req.url ?? '/', 'http://worker').pathname;
    if (path === '/healthz') {
      const isWell = isRunning();
      res.writeHead(isWell ? 200 : 503, { 'Content-Type': 'text/plain' });
      res.end(isWell ? 'running\n' : 'not running\n');
      return;
    }
    if (path !== '/metrics') {
      res.writeHead(404).end();
      return;
    }
    Promise.all([registry.metrics(), sdkMetrics(sdkAddress)])
      .then((texts) => res.writeHead(200, { 'Content-Type': registry.contentType }).end(texts.join('\n')))
      .catch(() => res.writeHead(500).end());
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) =>
      reject(
        new Error(`Kilim cannot start: KILIM_METRICS_PORT ("${port}") cannot be had: ${error.message}.`),
      ),
    );
    server.listen(port, host, resolve);
  });
  return server;
}

const sdkMetrics = (address: string): Promise<string> =>
  fetch(`http://${address}/metrics`, { signal: AbortSignal.timeout(2_000) }).then(
    (reply) => reply.text(),
    () => '',
  );

/** An address of loopback that is free now, for the SDK's exporter. */
export function freeAddress(): Promise<string> {
  return new Promise((resolve) => {
    const probe = createServer().listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as AddressInfo;
      probe.close(() => resolve(`127.0.0.1:${port}`));
    });
  });
}
