import type { LogicalQueue, System } from '../../systems/system.js';
import type { EnvVariable } from '../job-plan.js';
import type { Counts, PlanInput } from './plan-input.js';

export interface Ground {
  input: Pick<PlanInput, 'uuid' | 'now' | 'caller' | 'app'>;
  owner: string;
  archiveMode: string;
  exec: System;
  archive: System;
  dtn: System | null;
  queue: LogicalQueue | null;
  loginUser: string;
  counts: Counts;
}

/** The macros that need no other (specification: jobs §3.1). Those without a value are absent. */
export function groundMacros(ground: Ground): Record<string, string> {
  const { input, exec, counts, queue } = ground;
  const [date = '', time = ''] = input.now.split('T');
  const all: Record<string, string | null> = {
    JobUUID: input.uuid,
    Tenant: input.caller.tenant,
    JobOwner: ground.owner,
    EffectiveUserId: ground.loginUser,
    AppId: input.app.id,
    AppVersion: input.app.version,
    ExecSystemId: exec.id,
    ArchiveSystemId: ground.archive.id,
    DynamicExecSystem: 'false',
    ArchiveOnAppError: String(ground.archiveMode === 'ALWAYS'),
    ArchiveMode: ground.archiveMode,
    Nodes: String(counts.nodeCount),
    CoresPerNode: String(counts.coresPerNode),
    MemoryMB: String(counts.memoryMB),
    MaxMinutes: String(counts.maxMinutes),
    SysRootDir: exec.rootDir,
    SysHost: exec.host,
    SysBucketName: exec.bucketName,
    SysBatchScheduler: exec.batchScheduler,
    DtnSystemId: ground.dtn?.id ?? null,
    ExecSystemLogicalQueue: queue?.name ?? null,
    ExecSystemHPCQueue: queue?.hpcQueueName ?? null,
    JobCreateTimestamp: input.now,
    JobCreateDate: `${date}Z`,
    JobCreateTime: time,
  };
  return Object.fromEntries(
    Object.entries(all).filter((entry): entry is [string, string] => Boolean(entry[1])),
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
