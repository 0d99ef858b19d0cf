import { z } from 'zod';

import { normalizePath } from '../domain/files/path.js';
import { parseHostEval } from '../domain/macros.js';
import {
  MODULE_COMMAND, MODULE_COMMAND_RULE, MODULE_NAME, MODULE_NAME_RULE,
} from '../domain/systems/profile-rules.js'; // prettier-ignore
import type { System } from '../domain/systems/system.js';
import {
  argSpecs, echoes, isSmall, limit, list, maximum, orAbsent, orEmpty, orFalse, orNull, orNumber, orTrue, plain, resourceId, systemEnvVariables, unique, TOO_LARGE, withoutEchoes,
} from './fields.js'; // prettier-ignore

const queue = z.strictObject({
  name: plain(128),
  hpcQueueName: plain(128),
  description: orNull(z.string().max(2048)),
  maxJobs: limit,
  maxJobsPerUser: limit,
  minNodeCount: orNumber(1),
  maxNodeCount: maximum,
  minCoresPerNode: orNumber(1),
  maxCoresPerNode: maximum,
  minMemoryMB: orNumber(0),
  maxMemoryMB: maximum,
  minMinutes: orNumber(0),
  maxMinutes: maximum,
  schedulerOptions: argSpecs,
});

const capability = z.strictObject({
  category: z.enum(['SCHEDULER', 'OS', 'HARDWARE', 'SOFTWARE', 'JOB', 'CONTAINER', 'MISC', 'CUSTOM']),
  subcategory: orNull(plain(128)),
  name: plain(128),
  datatype: z.enum(['STRING', 'INTEGER', 'BOOLEAN', 'NUMBER', 'TIMESTAMP']),
  precedence: orNumber(100),
  value: orNull(plain(2048)),
});

/** Long enough for a key of 16,384 bits or a chain of certificates. */
const secret = z.string().max(65_536);

/** Secrets of a host login: pairs come as pairs, nothing else is accepted (specification: platform §3.2). */
export const Credential = z
  .strictObject({
    loginUser: plain(60).nullish(),
    password: secret.min(1).nullish(),
    privateKey: secret.min(1).nullish(),
    publicKey: secret.min(1).nullish(),
    accessKey: secret.nullish(),
    accessSecret: secret.nullish(),
    accessToken: secret.nullish(),
    refreshToken: secret.nullish(),
    certificate: secret.nullish(),
  })
  .refine(({ privateKey, publicKey }) => !publicKey || privateKey, {
    path: ['publicKey'],
    message: 'needs its privateKey',
  })
  .refine(({ accessKey, accessSecret }) => !accessKey === !accessSecret, {
    path: ['accessKey'],
    message: 'and accessSecret come as a pair',
  });

const kilim = z.strictObject({
  containerEngine: z.enum(['docker', 'podman']).optional(),
  containerEngineArgs: list(plain(200), 100).optional(),
});

/** -1, null and an absent port all mean that the port is not set. */
const port = z
  .int()
  .refine((n) => n === -1 || (n >= 1 && n <= 65535), 'must be from 1 to 65535, or -1 for none')
  .nullish()
  .transform((n) => n ?? -1);

/** A rootDir goes into commands, and one with HOST_EVAL is asked for on the host. */
function faultOfDir(dir: string): string | null {
  try {
    normalizePath(parseHostEval(dir)?.suffix ?? dir);
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** What a request may define of a system: the rest is the service's. */
type Defined = Omit<
  System,
  'tenant' | 'uuid' | 'owner' | 'parentId' | 'importRefId' | 'deleted' | 'created' | 'updated' | 'hostKey'
>;

/** The body of POST /v3/systems (platform §3.1). */
export const SystemDefinition = z
  .strictObject({
    ...echoes,
    id: resourceId,
    description: orNull(z.string().max(2048)),
    systemType: z.enum(['LINUX', 'S3', 'IRODS', 'GLOBUS']),
    owner: plain(60).nullish(),
    host: z
      .string()
      .max(256)
      .regex(/^[A-Za-z0-9][A-Za-z0-9.:_/-]*$|^::1$/, 'must be a host name or address'),
    enabled: orTrue,
    effectiveUserId: z
      .string()
      .max(60)
      .regex(
        /^(\$\{apiUserId\}|\$\{owner\}|[A-Za-z0-9_][A-Za-z0-9_.@-]*)$/,
        'must be a login name, ${apiUserId} or ${owner}',
      )
      .nullish()
      .transform((user) => user ?? '${apiUserId}'),
    defaultAuthnMethod: z.enum(['PASSWORD', 'PKI_KEYS', 'ACCESS_KEY', 'TOKEN', 'CERT', 'TMS_KEYS']),
    authnCredential: Credential.nullish(),
    bucketName: orAbsent(plain(63)),
    rootDir: z
      .string()
      .max(4096)
      .regex(/^(\/|HOST_EVAL\(|$)/, 'must start with /')
      .superRefine((dir, context) => {
        const fault = faultOfDir(dir);
        if (fault) context.addIssue({ code: 'custom', message: fault });
      })
      .nullish()
      .transform((dir) => dir ?? ''),
    port,
    useProxy: orFalse,
    proxyHost: orNull(plain(256)),
    proxyPort: port,
    dtnSystemId: orNull(resourceId),
    canExec: z.boolean(),
    canRunBatch: orFalse,
    enableCmdPrefix: orFalse,
    allowChildren: orFalse,
    mpiCmd: orNull(plain(126)),
    jobRuntimes: orEmpty(
      z.strictObject({
        runtimeType: z.enum(['DOCKER', 'SINGULARITY', 'ZIP']),
        version: z.string().max(128).nullish(),
      }),
      100,
    ),
    jobWorkingDir: orNull(plain(4096)),
    jobEnvVariables: systemEnvVariables,
    jobMaxJobs: limit,
    jobMaxJobsPerUser: limit,
    batchScheduler: orNull(z.enum(['SLURM', 'CONDOR', 'PBS', 'SGE', 'UGE', 'TORQUE'])),
    batchLogicalQueues: orEmpty(queue, 100),
    batchDefaultLogicalQueue: orAbsent(plain(128)),
    batchSchedulerProfile: orNull(resourceId),
    jobCapabilities: orEmpty(capability),
    tags: orEmpty(z.string().min(1).max(128), 128),
    notes: z
      .looseObject({ kilim: kilim.optional() })
      .refine(isSmall, TOO_LARGE)
      .nullish()
      .transform((free) => free ?? {}),
  })
  .superRefine((system, context) => {
    const fault = (path: string, message: string): void =>
      context.addIssue({ code: 'custom', path: path.split('.'), message });
    checkKind(system, fault);
    if (system.canRunBatch) checkBatch(system, fault);
    unique(context, 'tags', system.tags);
    const queues = system.batchLogicalQueues;
    unique(context, 'batchLogicalQueues', queues.map(({ name }) => name)); // prettier-ignore
    queues.forEach((one, i) => {
      for (const what of ['NodeCount', 'CoresPerNode', 'MemoryMB', 'Minutes'] as const) {
        const isTurned = one[`min${what}`] > one[`max${what}`];
        if (isTurned) fault(`batchLogicalQueues.${i}.min${what}`, `must not be above max${what}`);
      }
    });
  })
  .transform((system) => ({
    ...withoutEchoes(system),
    batchDefaultLogicalQueue: system.batchDefaultLogicalQueue ?? system.batchLogicalQueues[0]?.name ?? null,
  })) satisfies z.ZodType<Defined>;
export type SystemDefinition = z.infer<typeof SystemDefinition>;

type Fault = (path: string, message: string) => void;

/** A name or IPv4 address, or an IPv6 address; other kinds of systems have end points with more to them. */
const BARE_HOST = /^[A-Za-z0-9][A-Za-z0-9._-]*$|^[0-9A-Fa-f]*:[0-9A-Fa-f]*:[0-9A-Fa-f:.]*$/;

/** What a kind of system asks for (platform §3.1, §3.4). */
function checkKind(
  system: Omit<Defined, 'jobCapabilities'> & { authnCredential?: object | null | undefined },
  fault: Fault,
): void {
  const { systemType, canExec, authnCredential } = system;
  if (canExec) {
    if (systemType !== 'LINUX') fault('canExec', `cannot be true for ${systemType}`);
    if (!system.jobWorkingDir) fault('jobWorkingDir', 'is required when canExec is true');
    if (system.jobRuntimes.length === 0)
      fault('jobRuntimes', 'needs at least one entry when canExec is true');
  } else if (system.dtnSystemId) fault('dtnSystemId', 'is only possible when canExec is true');
  if (systemType === 'LINUX' && !BARE_HOST.test(system.host))
    fault('host', 'must be a host name or address alone: no scheme, no path, and the port apart');
  if (['LINUX', 'IRODS'].includes(systemType) && system.rootDir === '')
    fault('rootDir', `is required for ${systemType}`);
  if (systemType === 'S3' && !system.bucketName) fault('bucketName', 'is required for S3');
  if (systemType === 'IRODS' && system.port < 1) fault('port', 'is required for IRODS');
  if (!authnCredential) return;
  if (system.effectiveUserId === '${apiUserId}')
    fault('authnCredential', 'is only possible with a static effectiveUserId');
  if ('loginUser' in authnCredential && authnCredential.loginUser)
    fault('authnCredential', 'may not contain loginUser');
}

function checkBatch(
  system: Pick<Defined, 'batchScheduler' | 'batchLogicalQueues' | 'batchDefaultLogicalQueue'>,
  fault: Fault,
): void {
  const names = system.batchLogicalQueues.map(({ name }) => name);
  const chosen = system.batchDefaultLogicalQueue;
  if (!system.batchScheduler) fault('batchScheduler', 'is required when canRunBatch is true');
  if (names.length === 0) fault('batchLogicalQueues', 'needs at least one queue when canRunBatch is true');
  else if (chosen ? !names.includes(chosen) : names.length > 1)
    fault('batchDefaultLogicalQueue', 'must be one of the queues');
}

export const Profile = z.strictObject({
  ...echoes,
  name: resourceId,
  description: orNull(z.string().max(2048)),
  owner: plain(60).nullish(),
  moduleLoads: orEmpty(
    z.strictObject({
      moduleLoadCommand: plain(256).regex(MODULE_COMMAND, MODULE_COMMAND_RULE),
      modulesToLoad: orEmpty(plain(256).regex(MODULE_NAME, MODULE_NAME_RULE), 100),
    }),
    100,
  ),
  hiddenOptions: orEmpty(z.enum(['MEM', 'PARTITION']), 10),
});

const LEVELS = ['READ', 'MODIFY', 'EXECUTE'] as const;
export const Permissions = z.strictObject({
  permissions: list(
    z
      .string()
      .max(20)
      .toUpperCase()
      .pipe(z.enum([...LEVELS, '*'])),
    10,
  )
    .refine((all) => all.length > 0, 'must have at least 1 element')
    .transform((all) => (all.includes('*') ? [...LEVELS] : [...new Set(all)])),
});
export const FilePermission = z.strictObject({
  username: plain(60),
  permission: z
    .string()
    .toUpperCase()
    .pipe(z.enum(['READ', 'MODIFY'])),
});
export const MakeDirectory = z.strictObject({
  path: plain(4096).refine((path) => !path.split('/').includes('..'), 'may not contain ..'),
});
export const MoveCopy = z.strictObject({
  operation: z
    .string()
    .toUpperCase()
    .pipe(z.enum(['MOVE', 'COPY'])),
  newPath: plain(4096).refine((path) => !path.split('/').includes('..'), 'may not contain ..'),
});
