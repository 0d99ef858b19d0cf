import type { JobPlan } from './job-plan.js';

/**
 * Where a job leaves its traces on the execution host.
 * The ledger (in the exec dir) decides: `started.N` counts starts, `pid` names the wrapper, `exit` is the true end.
 * The state folder (in the login user's home) lists live jobs and holds the event logs of the watcher.
 */
export const ledgerDir = (plan: Pick<JobPlan, 'uuid' | 'paths'>): string =>
  `${plan.paths.execDir}/.kilim/${plan.uuid}`;

/** A shell word, not a path: `HOME` is the host's. */
export const stateDir = (installation: string): string => `"$HOME/.kilim/${installation}"`;

/** What every process of a job carries in its environment, and every container as a label. */
export const tagOf = (installation: string, uuid: string): string => `${installation}:${uuid}`;
