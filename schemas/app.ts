import { z } from 'zod';

import type { App } from '../domain/apps/app.js';
import { hasUserInfo, NO_LOGIN } from '../domain/files/shown-url.js';
import { LONGEST_ENTRY } from '../domain/glob.js';
import {
  appArgSpecs, appEnvVariables, argSpecs, echoes, isSmall, limit, listOfLists, notes, orAbsent, orEmpty, orFalse, orNull, orNumber, orTrue, plain, resourceId, unique, TOO_LARGE, withoutEchoes,
} from './fields.js'; // prettier-ignore
import { appSubscription } from './subscription.js';

const texts = orEmpty(z.string().max(4096), 100);
const tags = orEmpty(z.string().max(128), 128);
const filterEntries = orEmpty(z.string().max(LONGEST_ENTRY), 100);
const NAME = /^(?!_tapis)[A-Za-z_][A-Za-z0-9_]*$/;
const envKey = orNull(
  plain(80).regex(NAME, 'must be a letter or _, then letters, digits or _, and may not start with _tapis'),
);
/** With macros in it, what follows is not known yet. */
const url = z
  .string()
  .min(1)
  .max(8192)
  .regex(
    /^(\$\{|(tapis|tapislocal|https?):\/\/)/i,
    'must start with tapis://, tapislocal://, http:// or https://',
  )
  .refine((text) => !hasUserInfo(text), NO_LOGIN);
const fileInput = z.strictObject({
  name: plain(80), description: orNull(z.string().max(8096)), inputMode: z.enum(['OPTIONAL', 'REQUIRED', 'FIXED']).nullish().transform((mode) => mode ?? ('OPTIONAL' as const)),
  autoMountLocal: orTrue, envKey, notes: notes.nullish().transform((free) => free ?? {}), sourceUrl: orNull(url), targetPath: orNull(z.string().max(4096)),
}); // prettier-ignore
const fileInputArray = z.strictObject({
  name: plain(80), description: orNull(z.string().max(8096)), inputMode: z.enum(['OPTIONAL', 'REQUIRED', 'FIXED']).nullish().transform((mode) => mode ?? ('OPTIONAL' as const)),
  envKey, notes: notes.nullish().transform((free) => free ?? {}), sourceUrls: orEmpty(url), targetDir: orNull(z.string().max(4096)),
}); // prettier-ignore

const parameterSet = z.strictObject({
  appArgs: appArgSpecs,
  containerArgs: argSpecs,
  schedulerOptions: argSpecs,
  envVariables: appEnvVariables,
  archiveFilter: z
    .strictObject({
      includes: filterEntries,
      excludes: filterEntries,
      includeLaunchFiles: orTrue,
    })
    .nullish()
    .transform((filter) => filter ?? { includes: [], excludes: [], includeLaunchFiles: true }),
  logConfig: z
    .strictObject({ stdoutFilename: z.string(), stderrFilename: z.string() })
    .nullish()
    .transform((logs) => logs ?? { stdoutFilename: '', stderrFilename: '' }),
});

const jobAttributes = z.strictObject({
  description: orNull(z.string().max(2048)),
  dynamicExecSystem: orFalse,
  execSystemConstraints: texts,
  execSystemId: orNull(resourceId),
  execSystemExecDir: orNull(plain(4096)),
  execSystemInputDir: orNull(plain(4096)),
  execSystemOutputDir: orNull(plain(4096)),
  dtnSystemInputDir: z
    .string()
    .max(4096)
    .nullish()
    .transform((dir) => dir ?? '!tapis_not_set'),
  dtnSystemOutputDir: z
    .string()
    .max(4096)
    .nullish()
    .transform((dir) => dir ?? '!tapis_not_set'),
  execSystemLogicalQueue: orNull(plain(128)),
  archiveSystemId: orNull(resourceId),
  archiveSystemDir: orNull(plain(4096)),
  archiveOnAppError: orTrue,
  archiveMode: orNull(z.enum(['ALWAYS', 'SKIP_ON_FAIL', 'NEVER'])),
  isMpi: orFalse,
  mpiCmd: orNull(plain(126)),
  cmdPrefix: orNull(plain(4096)),
  parameterSet: parameterSet.nullish().transform((set) => set ?? parameterSet.parse({})),
  fileInputs: orEmpty(fileInput),
  fileInputArrays: listOfLists('sourceUrls', fileInputArray, 100)
    .nullish()
    .transform((all) => all ?? []),
  nodeCount: orNumber(1, 1),
  coresPerNode: orNumber(1, 1),
  memoryMB: orNumber(100, 1),
  maxMinutes: orNumber(10, 1),
  subscriptions: orEmpty(appSubscription, 100),
  tags,
});

/** What a request may define of an application: the rest is the service's. */
type Defined = Omit<App, 'tenant' | 'uuid' | 'owner' | 'deleted' | 'created' | 'updated'>;

/** The body of POST /v3/apps (specification: platform §4.1, §4.2). */
export const AppDefinition = z
  .strictObject({
    ...echoes,
    id: resourceId,
    version: plain(64).refine((text) => !text.includes('/'), 'may not contain /'),
    containerImage: plain(4096),
    description: orNull(z.string().max(2048)),
    owner: plain(60).nullish(),
    enabled: orTrue,
    versionEnabled: orTrue,
    locked: orFalse,
    runtime: z
      .enum(['DOCKER', 'SINGULARITY', 'ZIP'])
      .nullish()
      .transform((name) => name ?? 'DOCKER'),
    runtimeVersion: orAbsent(plain(128)),
    runtimeOptions: orEmpty(z.enum(['NONE', 'SINGULARITY_START', 'SINGULARITY_RUN']), 10),
    jobType: orNull(z.enum(['FORK', 'BATCH'])),
    maxJobs: limit,
    maxJobsPerUser: limit,
    strictFileInputs: orFalse,
    jobAttributes: jobAttributes.nullish().transform((given) => given ?? jobAttributes.parse({})),
    tags,
    notes: z
      .looseObject({ kilim: z.strictObject({ repeatable: z.boolean().optional() }).optional() })
      .refine(isSmall, TOO_LARGE)
      .nullish()
      .transform((free) => free ?? {}),
  })
  .superRefine((app, context) => {
    unique(context, 'tags', app.tags);
    const {
      parameterSet: set,
      fileInputs,
      fileInputArrays,
      dynamicExecSystem,
      execSystemConstraints,
    } = app.jobAttributes;
    for (const list of ['appArgs', 'containerArgs', 'schedulerOptions'] as const)
      unique(
        context,
        `jobAttributes.parameterSet.${list}`,
        set[list].map(({ name }) => name),
      );
    unique(
      context,
      'jobAttributes.fileInputs',
      fileInputs.map(({ name }) => name),
    );
    unique(
      context,
      'jobAttributes.fileInputArrays',
      fileInputArrays.map(({ name }) => name),
    );
    const keys = [...set.envVariables.map(({ key }) => key), ...[...fileInputs, ...fileInputArrays].flatMap((input) => input.envKey ?? [])]; // prettier-ignore
    unique(context, 'jobAttributes.parameterSet.envVariables', keys);
    for (const [i, { key }] of set.envVariables.entries())
      if (!NAME.test(key))
        context.addIssue({
          code: 'custom',
          path: ['jobAttributes', 'parameterSet', 'envVariables', i, 'key'],
          message: 'must be a letter or _, then letters, digits or _',
        });
    for (const [i, { inputMode, sourceUrl }] of fileInputs.entries())
      if (inputMode === 'FIXED' && !sourceUrl)
        context.addIssue({
          code: 'custom',
          path: ['jobAttributes', 'fileInputs', i, 'sourceUrl'],
          message: 'is required for FIXED',
        });
    if (app.runtimeOptions.includes('SINGULARITY_START') && app.runtimeOptions.includes('SINGULARITY_RUN')) {
      context.addIssue({
        code: 'custom',
        path: ['runtimeOptions'],
        message: 'may hold only one of SINGULARITY_START and SINGULARITY_RUN',
      });
    }
    if (dynamicExecSystem && execSystemConstraints.length === 0)
      context.addIssue({
        code: 'custom',
        path: ['jobAttributes', 'execSystemConstraints'],
        message: 'is required with dynamicExecSystem',
      });
  })
  .transform(withoutEchoes) satisfies z.ZodType<Defined>;
export type AppDefinition = z.infer<typeof AppDefinition>;
