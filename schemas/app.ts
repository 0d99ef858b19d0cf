import { z } from 'zod';

import { argSpecs, echoes, int, keyValue, limit, notes, orNull, plain, resourceId } from './fields.js';

const texts = z
  .array(z.string())
  .nullish()
  .transform((list) => list ?? []);
const fileInput = z.strictObject({
  name: plain(80), description: orNull(z.string().max(8096)), inputMode: z.enum(['OPTIONAL', 'REQUIRED', 'FIXED']).default('OPTIONAL'),
  autoMountLocal: z.boolean().default(true), envKey: orNull(plain(80)), notes: notes.optional(), sourceUrl: orNull(z.string().min(1)), targetPath: orNull(z.string()),
}); // prettier-ignore
const fileInputArray = z.strictObject({
  name: plain(80), description: orNull(z.string().max(8096)), inputMode: z.enum(['OPTIONAL', 'REQUIRED', 'FIXED']).default('OPTIONAL'),
  envKey: orNull(plain(80)), notes: notes.optional(), sourceUrls: texts, targetDir: orNull(z.string()),
}); // prettier-ignore

const parameterSet = z.strictObject({
  appArgs: argSpecs,
  containerArgs: argSpecs,
  schedulerOptions: argSpecs,
  envVariables: z
    .array(keyValue)
    .nullish()
    .transform((list) => list ?? []),
  archiveFilter: z
    .strictObject({
      includes: texts,
      excludes: texts,
      includeLaunchFiles: z
        .boolean()
        .nullish()
        .transform((on) => on ?? true),
    })
    .nullish()
    .transform((filter) => filter ?? { includes: [], excludes: [], includeLaunchFiles: true }),
  logConfig: z
    .strictObject({ stdoutFilename: z.string(), stderrFilename: z.string() })
    .nullish()
    .transform((logs) => logs ?? { stdoutFilename: '', stderrFilename: '' }),
});

const count = (otherwise: number) =>
  int
    .min(1)
    .nullish()
    .transform((n) => n ?? otherwise);
const off = z
  .boolean()
  .nullish()
  .transform((on) => on ?? false);

const jobAttributes = z.strictObject({
  description: orNull(z.string().max(2048)),
  dynamicExecSystem: off,
  execSystemConstraints: texts,
  execSystemId: orNull(resourceId),
  execSystemExecDir: orNull(plain(4096)),
  execSystemInputDir: orNull(plain(4096)),
  execSystemOutputDir: orNull(plain(4096)),
  dtnSystemInputDir: z
    .string()
    .nullish()
    .transform((dir) => dir ?? '!tapis_not_set'),
  dtnSystemOutputDir: z
    .string()
    .nullish()
    .transform((dir) => dir ?? '!tapis_not_set'),
  execSystemLogicalQueue: orNull(plain(128)),
  archiveSystemId: orNull(resourceId),
  archiveSystemDir: orNull(plain(4096)),
  archiveOnAppError: z
    .boolean()
    .nullish()
    .transform((on) => on ?? true),
  archiveMode: orNull(z.enum(['ALWAYS', 'SKIP_ON_FAIL', 'NEVER'])),
  isMpi: off,
  mpiCmd: orNull(plain(126)),
  cmdPrefix: orNull(plain(4096)),
  parameterSet: parameterSet.nullish().transform((set) => set ?? parameterSet.parse({})),
  fileInputs: z
    .array(fileInput)
    .nullish()
    .transform((list) => list ?? []),
  fileInputArrays: z
    .array(fileInputArray)
    .nullish()
    .transform((list) => list ?? []),
  nodeCount: count(1),
  coresPerNode: count(1),
  memoryMB: count(100),
  maxMinutes: count(10),
  subscriptions: z
    .array(notes)
    .nullish()
    .transform((list) => list ?? []),
  tags: texts,
});

/** The body of POST /v3/apps (specification: platform §4.1, §4.2). */
export const AppDefinition = z.strictObject({
  ...echoes,
  id: resourceId,
  version: plain(64).refine((text) => !text.includes('/'), 'may not contain /'),
  containerImage: plain(4096),
  description: orNull(z.string().max(2048)),
  owner: plain(60).nullish(),
  enabled: z
    .boolean()
    .nullish()
    .transform((on) => on ?? true),
  versionEnabled: z
    .boolean()
    .nullish()
    .transform((on) => on ?? true),
  locked: off,
  runtime: z
    .enum(['DOCKER', 'SINGULARITY', 'ZIP'])
    .nullish()
    .transform((name) => name ?? 'DOCKER'),
  runtimeVersion: orNull(plain(128)),
  runtimeOptions: z
    .array(z.enum(['NONE', 'SINGULARITY_START', 'SINGULARITY_RUN']))
    .nullish()
    .transform((list) => list ?? []),
  jobType: orNull(z.enum(['FORK', 'BATCH'])),
  maxJobs: limit,
  maxJobsPerUser: limit,
  strictFileInputs: off,
  jobAttributes: jobAttributes.nullish().transform((given) => given ?? jobAttributes.parse({})),
  tags: texts,
  notes: z
    .looseObject({ kilim: z.strictObject({ repeatable: z.boolean().optional() }).optional() })
    .nullish()
    .transform((free) => free ?? {}),
});
export type AppDefinition = z.infer<typeof AppDefinition>;
