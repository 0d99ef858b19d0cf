import { collectDefaultMetrics, Counter, Gauge, Registry } from 'prom-client';

import { STATUSES } from '../../domain/jobs/status.js';
import type { ApiDeps } from '../deps.js';
import { route } from '../route.js';

const registries = new WeakMap<ApiDeps, Registry>();

/** One registry per program: what Prometheus reads of this API. */
function registryOf(deps: ApiDeps): Registry {
  const known = registries.get(deps);
  if (known) return known;
  const registry = new Registry();
  registries.set(deps, registry);
  collectDefaultMetrics({ register: registry });
  new Gauge({
    name: 'kilim_jobs',
    help: 'Jobs by status',
    labelNames: ['status'],
    registers: [registry],
    async collect() {
      const counts = await deps.store.jobs.countByStatus();
      for (const status of STATUSES) this.set({ status }, counts[status] ?? 0);
    },
  });
  new Gauge({
    name: 'kilim_ssh_sessions',
    help: 'Open SSH connections of this program',
    registers: [registry],
    collect() {
      this.set(deps.hosts.sessions());
    },
  });
  new Gauge({
    name: 'kilim_host_snapshot_age_seconds',
    help: 'Time since the last look at a host that has live jobs, by tenant, system and login',
    labelNames: ['host'],
    registers: [registry],
    async collect() {
      this.reset(); // a host without jobs is no longer looked at
      for (const { key, ageMs } of await deps.store.watch.snapshotAges())
        this.set({ host: key.replace(/^watch:/, '') }, ageMs / 1000);
    },
  });
  new Counter({
    name: 'kilim_log_lines_dropped_total',
    help: 'Lines of the log that could not be written, as to a full disk',
    registers: [registry],
    collect() {
      this.reset();
      this.inc(deps.droppedLines());
    },
  });
  return registry;
}

export const metrics = route({
  method: 'get',
  path: '/metrics',
  open: true,
  handle: async (_call, deps) => {
    const registry = registryOf(deps);
    return { text: await registry.metrics(), type: registry.contentType };
  },
});
