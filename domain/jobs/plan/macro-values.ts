import type { System } from '../../systems/system.js';
import type { EnvVariable } from '../job-plan.js';
import type { PlanInput } from './plan-job.js';

interface Ground {
  input: PlanInput;
  owner: string;
  jobType: 'FORK' | 'BATCH';
  archiveMode: string;
  exec: System;
  archive: System;
  login: string;
  counts: { nodeCount: number; coresPerNode: number; memoryMB: number; maxMinutes: number };
}

/** The macros that need no other (specification: jobs §3.1). Those without a value are absent. */
export function groundMacros({
  input,
  owner,
  archiveMode,
  exec,
  archive,
  login,
  counts,
}: Ground): Record<string, string> {
  const [date = '', time = ''] = input.now.split('T');
  const all: Record<string, string | null> = {
    JobUUID: input.uuid,
    Tenant: input.caller.tenant,
    JobOwner: owner,
    EffectiveUserId: login,
    AppId: input.app.id,
    AppVersion: input.app.version,
    ExecSystemId: exec.id,
    ArchiveSystemId: archive.id,
    DynamicExecSystem: 'false',
    ArchiveOnAppError: String(archiveMode === 'ALWAYS'),
    ArchiveMode: archiveMode,
    Nodes: String(counts.nodeCount),
    CoresPerNode: String(counts.coresPerNode),
    MemoryMB: String(counts.memoryMB),
    MaxMinutes: String(counts.maxMinutes),
    SysRootDir: exec.rootDir,
    SysHost: exec.host,
    SysBucketName: exec.bucketName,
    SysBatchScheduler: exec.batchScheduler,
    JobCreateTimestamp: input.now,
    JobCreateDate: `${date}Z`,
    JobCreateTime: time,
  };
  return Object.fromEntries(
    Object.entries(all).filter((entry): entry is [string, string] => entry[1] !== null),
  );
}

/** Every macro with a value reaches the application as `_tapis<Name>` (jobs §3.3). */
export const tapisEnv = (macros: Readonly<Record<string, string>>): EnvVariable[] =>
  Object.entries(macros).map(([name, value]) => ({
    key: `_tapis${name}`,
    value,
    description: null,
    include: null,
    notes: null,
  }));
