import type { Job } from './job.js';

/** What the engine's lists show of a job. */
export const summaryOf = ({ plan }: Pick<Job, 'plan'>): string =>
  `${plan.name} · ${plan.owner} · ${plan.appId} ${plan.appVersion} · ${plan.exec.systemId}`;

/** By what the engine's lists are searched: attributes of its workflow, all of them keywords. */
export const labelsOf = ({ plan, status }: Pick<Job, 'plan' | 'status'>): Record<string, string> => ({
  JobStatus: status,
  JobOwner: plan.owner,
  JobTenant: plan.tenant,
  JobAppId: plan.appId,
  ExecSystem: plan.exec.systemId,
});
