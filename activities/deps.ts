import type { RecoverySubject } from '../domain/errors.js';
import type { WatchTicket } from '../domain/jobs/ticket.js';
import type { SystemUse } from '../domain/jobs/job-plan.js';
import type { Keeper } from '../domain/jobs/keeper.js';
import type { RuntimeType } from '../domain/systems/system.js';
import type { Host } from '../hosts/host.js';
import type { Runtime } from '../runtimes/runtime.js';
import type { Scheduler } from '../schedulers/scheduler.js';
import type { Store } from '../store/store.js';
import type { Hints } from './hints.js';

/** What activities need from the world; the worker makes the real ones, a test its own. */
export interface Deps {
  store: Store;
  /**
   * Logs in to a system as a job uses it.
   * @throws KilimError SYSTEM_NOT_AVAILABLE where it is disabled or deleted (`evenDisabled`: for what follows or ends a run,
   * where it is unknown), and what `hosts/` throws
   */
  openHost: (tenant: string, use: SystemUse, options?: { evenDisabled?: boolean }) => Promise<Host>;
  /** Connects anew to the host where the system is now, not through a pooled connection; also where the system is disabled. */
  probeHost: (tenant: string, use: SystemUse) => Promise<void>;
  runtimes: Readonly<Record<RuntimeType, Runtime>>;
  schedulers: Readonly<Record<Keeper, Scheduler>>;
  /** Sent to workflows; failures are only logged: hints are never truth. */
  engine: {
    hint: (uuid: string, signal: 'remoteHint' | 'resourceFreed') => Promise<void>;
    ensureWatcher: (ticket: WatchTicket) => Promise<void>;
  };
  hints: Hints;
  /** Tags every process: only this installation's are ever ended. */
  installation: string;
  /** May private addresses be fetched by http inputs? Given by configuration. */
  allowPrivateFetch: boolean;
  /** How long a job may stay BLOCKED by such a cause. */
  blockedLimitMs: (subject: RecoverySubject) => number;
  log: { info: (fields: object, message: string) => void; warn: (fields: object, message: string) => void };
  metrics: { adopted: () => void; phase: (name: string, seconds: number) => void };
}
