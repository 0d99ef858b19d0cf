import type { Step } from './step.js';

/** Metrics count the jobs by status every few seconds: they read the index, not the rows. */
export const byStatus: Step = () => ['create index jobs_by_status on jobs (status)'];
