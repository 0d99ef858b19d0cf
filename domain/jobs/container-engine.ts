import { quote } from '../shell.js';
import type { JobPlan } from './job-plan.js';

/** The words that call the container engine of a job's system: `docker`, or `podman --runtime runc`. */
export const engineOf = (plan: Pick<JobPlan, 'containerEngine' | 'containerEngineArgs'>): string =>
  [plan.containerEngine, ...plan.containerEngineArgs.map(quote)].join(' ');
