import { z } from 'zod';

import { LONGEST_ENTRY } from '../domain/glob.js';
import type { JobRequest as DomainRequest } from '../domain/jobs/request.js';
import { int, jobAppArgs, jobArgs, list, listOfLists, longText, notes, plain } from './fields.js';
import { jobSubscription } from './subscription.js';

const dir = plain(4096).nullish();
const sourceUrl = z.string().min(1).max(8192);
const filterEntries = list(z.string().min(1).max(LONGEST_ENTRY), 100);

/** The body of POST /v3/jobs/submit (specification: jobs §2.2, §2.3). */
export const JobRequest = z.strictObject({
  name: z.string().min(1).max(64),
  appId: plain(80),
  appVersion: plain(64),
  owner: plain(64).nullish(),
  tenant: plain(24).nullish(),
  description: z.string().min(1).max(2048).nullish(),
  jobType: z.enum(['FORK', 'BATCH']).nullish(),
  archiveOnAppError: z.boolean().nullish(),
  archiveMode: z.enum(['ALWAYS', 'SKIP_ON_FAIL', 'NEVER']).nullish(),
  dynamicExecSystem: z.boolean().nullish(),
  execSystemId: plain(80).nullish(),
  execSystemExecDir: dir,
  execSystemInputDir: dir,
  execSystemOutputDir: dir,
  execSystemLogicalQueue: plain(80).nullish(),
  archiveSystemId: plain(80).nullish(),
  archiveSystemDir: dir,
  dtnSystemInputDir: dir,
  dtnSystemOutputDir: dir,
  nodeCount: int.nullish(),
  coresPerNode: int.nullish(),
  memoryMB: int.min(1).nullish(),
  maxMinutes: int.min(1).nullish(),
  fileInputs: list(
    z.strictObject({
      name: plain(80).nullish(),
      description: z.string().max(8096).nullish(),
      envKey: z
        .string()
        .max(80)
        .regex(/^(?!_tapis)[A-Za-z_][A-Za-z0-9_]*$/, 'must be a shell name that does not start with _tapis')
        .nullish(),
      autoMountLocal: z.boolean().nullish(),
      sourceUrl: sourceUrl.nullish(),
      targetPath: z.string().max(4096).nullish(),
      notes: notes.nullish(),
    }),
  ).nullish(),
  fileInputArrays: listOfLists(
    'sourceUrls',
    z.strictObject({
      name: plain(80).nullish(),
      description: z.string().max(8096).nullish(),
      envKey: z.string().min(1).max(80).nullish(),
      sourceUrls: list(sourceUrl).nullish(),
      targetDir: z.string().min(1).max(4096).nullish(),
      notes: notes.nullish(),
    }),
    100,
  ).nullish(),
  parameterSet: z
    .strictObject({
      appArgs: jobAppArgs,
      containerArgs: jobArgs,
      schedulerOptions: jobArgs,
      envVariables: list(
        z.strictObject({
          key: z.string().min(1).max(255),
          value: longText.nullish(),
          description: z.string().max(8096).nullish(),
          include: z.boolean().nullish(),
          notes: notes.nullish(),
        }),
      ).nullish(),
      archiveFilter: z
        .strictObject({
          includes: filterEntries.nullish(),
          excludes: filterEntries.nullish(),
          includeLaunchFiles: z.boolean().nullish(),
        })
        .nullish(),
      logConfig: z.strictObject({ stdoutFilename: plain(4096), stderrFilename: plain(4096) }).nullish(),
    })
    .nullish(),
  execSystemConstraints: list(z.string().max(4096), 100).nullish(),
  subscriptions: list(jobSubscription, 100).nullish(),
  tags: list(z.string().min(1).max(126), 128).nullish(),
  isMpi: z.boolean().nullish(),
  mpiCmd: plain(126).nullish(),
  cmdPrefix: plain(1024).nullish(),
  notes: notes.nullish(),
}) satisfies z.ZodType<DomainRequest>;
