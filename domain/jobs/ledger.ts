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
 * The script that is launched. It lies in the ledger because jobs may share an exec dir: the `tapisjob.sh` there is a copy for
 * users to read, of the job that was staged last.
 */
export const scriptOf = (plan: Pick<JobPlan, 'uuid' | 'paths'>): string => `${ledgerDir(plan)}/tapisjob.sh`;

/** A job that an older Kilim staged has its script in the exec dir alone. Sets `script`, where `ledger` is set. */
export const FIND_SCRIPT = 'script=$ledger/tapisjob.sh; [ -e "$script" ] || script=./tapisjob.sh';

/** Whether another job may be given the same directory: by default the job's uuid is part of each path. */
export const mayBeShared = ({ uuid }: Pick<JobPlan, 'uuid'>, dir: string): boolean => !dir.includes(uuid);

/**
 * The file with the values of the job's environment, which may be secret. It is needed for the launch alone, and
 * removed when the run has ended.
 */
export const envFileOf = (plan: Pick<JobPlan, 'uuid' | 'paths'>): string => `${ledgerDir(plan)}/tapisjob.env`;

/** Those values that the environment file of a container engine cannot hold; not every job has the file. */
export const moreEnvFileOf = (plan: Pick<JobPlan, 'uuid' | 'paths'>): string => `${envFileOf(plan)}.more`;

/**
 * A shell function `drop_env` that removes the environment files, and the link to them beside the script. A link of another job
 * in the same directory stays.
 * @param tries a pattern: the tries to stage the job whose unfinished files go as well; all of them where none can be at work
 */
export const dropEnv = (plan: Pick<JobPlan, 'uuid' | 'paths'>, tries = '*'): string =>
  `drop_env() { local link=${quote(`${plan.paths.execDir}/tapisjob.env`)} file=${quote(envFileOf(plan))}; ` +
  `[ "$(readlink "$link")" != ${quote(envLinkOf(plan))} ] || rm -f "$link"; ` +
  `rm -f "$file" "$file.more" "\${file%/*}"/new.${tries}.env "\${file%/*}"/new.${tries}.more; } 2> /dev/null`;

/** The target of the link. It is relative to the exec dir, because containers see that directory under another name. */
export const envLinkOf = ({ uuid }: Pick<JobPlan, 'uuid'>): string => `.kilim/${uuid}/tapisjob.env`;

/** A shell word, not a path: `HOME` is the host's. */
export const stateDir = (installation: string): string => `"$HOME/.kilim/${installation}"`;

/** What every process of a job carries in its environment, and every container as a label. */
export const tagOf = (installation: string, uuid: string): string => `${installation}:${uuid}`;
