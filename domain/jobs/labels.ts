import type { Job } from './job.js';

/** What the engine's lists show of a job. */
export const summaryOf = ({ plan }: Pick<Job, 'plan'>): string =>
  `${plan.name} · ${plan.owner} · ${plan.appId} ${plan.appVersion} · ${plan.exec.systemId}`;

/** By what the engine's lists are searched. All of type Keyword; values are never encrypted, so they hold names and states only. */
export const SEARCH_ATTRIBUTES = [
  'JobStatus',
  'JobOwner',
  'JobTenant',
  'JobAppId',
  'ExecSystem',
  'RemoteJobId',
  'BlockedCode',
] as const;

/** Those that a job begins with. */
export const labelsOf = ({ plan, status }: Pick<Job, 'plan' | 'status'>): Record<string, string> => ({
  JobStatus: status,
  JobOwner: plan.owner,
  JobTenant: plan.tenant,
  JobAppId: plan.appId,
  ExecSystem: plan.exec.systemId,
});

/** The longest fairness key of Temporal in bytes; names of tenants and users are plain ASCII. */
const LONGEST_KEY = 64;

/** The owner of a job as a key. Where jobs of several owners wait for the same thing, the keys are served in turn. */
export const fairnessKey = ({ tenant, owner }: Pick<Job, 'tenant' | 'owner'>): string =>
  `${tenant}:${owner}`.slice(-LONGEST_KEY);
