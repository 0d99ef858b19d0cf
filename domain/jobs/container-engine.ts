import { quote } from '../shell.js';
import type { JobPlan } from './job-plan.js';

/** Podman's warnings about the host are not for the application's output. */
const QUIET = { docker: '', podman: '--log-level=error' } as const;

/** The words that call the container engine of a job's system: `docker`, or `podman --log-level=error --runtime runc`. */
export const engineOf = (plan: Pick<JobPlan, 'containerEngine' | 'containerEngineArgs'>): string =>
  [plan.containerEngine, QUIET[plan.containerEngine], ...plan.containerEngineArgs.map(quote)]
    .filter(Boolean)
    .join(' ');
