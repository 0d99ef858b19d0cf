import { z } from 'zod';

import { argSpecs, echoes, int, keyValue, limit, orNull, plain, resourceId } from './fields.js';

const queue = z.strictObject({
  name: plain(128),
  hpcQueueName: plain(128),
  maxJobs: limit,
  maxJobsPerUser: limit,
  minNodeCount: int.nullish().transform((n) => n ?? 1),
  maxNodeCount: limit,
  minCoresPerNode: int.nullish().transform((n) => n ?? 1),
  maxCoresPerNode: limit,
  minMemoryMB: int.nullish().transform((n) => n ?? 0),
  maxMemoryMB: limit,
  minMinutes: int.nullish().transform((n) => n ?? 0),
  maxMinutes: limit,
  schedulerOptions: argSpecs,
});

/** Secrets of a host login: pairs come as pairs, nothing else is accepted (specification: platform §3.2). */
export const Credential = z
  .strictObject({
    loginUser: plain(60).nullish(),
    password: z.string().min(1).nullish(),
    privateKey: z.string().min(1).nullish(),
    publicKey: z.string().min(1).nullish(),
    accessKey: z.string().nullish(),
    accessSecret: z.string().nullish(),
    accessToken: z.string().nullish(),
    refreshToken: z.string().nullish(),
    certificate: z.string().nullish(),
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
  containerEngineArgs: z.array(plain(200)).optional(),
});

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
    enabled: z
      .boolean()
      .nullish()
      .transform((on) => on ?? true),
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
    bucketName: orNull(plain(63)),
    rootDir: z
      .string()
      .max(4096)
      .regex(/^(\/|HOST_EVAL\(|$)/, 'must start with /')
      .nullish()
      .transform((dir) => dir ?? ''),
    port: int
      .min(-1)
      .max(65535)
      .nullish()
      .transform((n) => (n && n > 0 ? n : -1)),
    useProxy: z
      .boolean()
      .nullish()
      .transform((on) => on ?? false),
    proxyHost: orNull(plain(256)),
    proxyPort: int.nullish().transform((n) => n ?? -1),
    dtnSystemId: orNull(resourceId),
    canExec: z.boolean(),
    canRunBatch: z
      .boolean()
      .nullish()
      .transform((on) => on ?? false),
    enableCmdPrefix: z
      .boolean()
      .nullish()
      .transform((on) => on ?? false),
    allowChildren: z
      .boolean()
      .nullish()
      .transform((on) => on ?? false),
    mpiCmd: orNull(plain(126)),
    jobRuntimes: z
      .array(
        z.strictObject({
          runtimeType: z.enum(['DOCKER', 'SINGULARITY', 'ZIP']),
          version: z.string().nullish(),
        }),
      )
      .nullish()
      .transform((list) => list ?? []),
    jobWorkingDir: orNull(plain(4096)),
    jobEnvVariables: z
      .array(keyValue)
      .nullish()
      .transform((list) => list ?? []),
    jobMaxJobs: limit,
    jobMaxJobsPerUser: limit,
    batchScheduler: orNull(z.enum(['SLURM', 'CONDOR', 'PBS', 'SGE', 'UGE', 'TORQUE'])),
    batchLogicalQueues: z
      .array(queue)
      .nullish()
      .transform((list) => list ?? []),
    batchDefaultLogicalQueue: orNull(plain(128)),
    batchSchedulerProfile: orNull(resourceId),
    jobCapabilities: z
      .array(
        z.looseObject({
          category: z.string(),
          name: z.string(),
          datatype: z.string(),
          precedence: int.default(100),
        }),
      )
      .nullish()
      .transform((list) => list ?? []),
    tags: z
      .array(z.string().min(1).max(128))
      .nullish()
      .transform((list) => list ?? []),
    notes: z
      .looseObject({ kilim: kilim.optional() })
      .nullish()
      .transform((free) => free ?? {}),
  })
  .superRefine((system, context) => {
    const fault = (path: string, message: string): void =>
      context.addIssue({ code: 'custom', path: [path], message });
    if (system.canExec) {
      if (system.systemType !== 'LINUX') fault('canExec', `cannot be true for ${system.systemType}`);
      if (!system.jobWorkingDir) fault('jobWorkingDir', 'is required when canExec is true');
      if (system.jobRuntimes.length === 0)
        fault('jobRuntimes', 'needs at least one entry when canExec is true');
    }
    if (system.systemType === 'LINUX' && system.rootDir === '') fault('rootDir', 'is required for LINUX');
    if (system.systemType === 'S3' && !system.bucketName) fault('bucketName', 'is required for S3');
    if (system.authnCredential && system.effectiveUserId === '${apiUserId}')
      fault('authnCredential', 'is only possible with a static effectiveUserId');
    if (system.canRunBatch) {
      if (!system.batchScheduler) fault('batchScheduler', 'is required when canRunBatch is true');
      if (system.batchLogicalQueues.length === 0)
        fault('batchLogicalQueues', 'needs at least one queue when canRunBatch is true');
      const known = system.batchLogicalQueues.map(({ name }) => name);
      if (
        system.batchDefaultLogicalQueue ? !known.includes(system.batchDefaultLogicalQueue) : known.length > 1
      )
        fault('batchDefaultLogicalQueue', 'must be one of the queues');
    }
  });
export type SystemDefinition = z.infer<typeof SystemDefinition>;

export const Profile = z.strictObject({
  ...echoes,
  name: resourceId,
  description: orNull(z.string().max(2048)),
  owner: plain(60).nullish(),
  moduleLoads: z
    .array(
      z.strictObject({
        moduleLoadCommand: plain(256),
        modulesToLoad: z
          .array(plain(256))
          .nullish()
          .transform((list) => list ?? []),
      }),
    )
    .nullish()
    .transform((list) => list ?? []),
  hiddenOptions: z
    .array(z.enum(['MEM', 'PARTITION']))
    .nullish()
    .transform((list) => list ?? []),
});

const LEVELS = ['READ', 'MODIFY', 'EXECUTE'] as const;
export const Permissions = z.strictObject({
  permissions: z
    .array(
      z
        .string()
        .toUpperCase()
        .pipe(z.enum([...LEVELS, '*'])),
    )
    .min(1)
    .transform((list) => (list.includes('*') ? [...LEVELS] : [...new Set(list)])),
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
