import { quote } from '../shell.js';
import type { JobPlan } from './job-plan.js';

/**
 * Where a job leaves its traces on the execution host.
 * The ledger (in the exec dir) decides: `started.N` counts starts, `pid` names the wrapper, `exit` is the true end.
 * The state folder (in the login user's home) lists live jobs and holds the event logs of the watcher.
 */
export const ledgerDir = (plan: Pick<JobPlan, 'uuid' | 'paths'>): string =>
  `${plan.paths.execDir}/.kilim/${plan.uuid}`;

/**
 * The file with the values of the job's environment, which may be secret. It is needed for the launch alone, and
 * removed when the run has ended.
 */
export const envFileOf = (plan: Pick<JobPlan, 'uuid' | 'paths'>): string => `${ledgerDir(plan)}/tapisjob.env`;

/**
 * A shell function `drop_env` that removes the environment file, and the link to it beside the script. A link of another job
 * in the same directory stays.
 */
export const dropEnv = (plan: Pick<JobPlan, 'uuid' | 'paths'>): string =>
  `drop_env() { local link=${quote(`${plan.paths.execDir}/tapisjob.env`)} file=${quote(envFileOf(plan))}; ` +
  `[ "$(readlink "$link")" != ${quote(envLinkOf(plan))} ] || rm -f "$link"; rm -f "$file"; } 2> /dev/null`;

/** The target of the link. It is relative to the exec dir, because containers see that directory under another name. */
export const envLinkOf = ({ uuid }: Pick<JobPlan, 'uuid'>): string => `.kilim/${uuid}/tapisjob.env`;

/** A shell word, not a path: `HOME` is the host's. */
export const stateDir = (installation: string): string => `"$HOME/.kilim/${installation}"`;

/** What every process of a job carries in its environment, and every container as a label. */
export const tagOf = (installation: string, uuid: string): string => `${installation}:${uuid}`;
