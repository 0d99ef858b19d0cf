import { expect, it } from 'vitest';

import { conclude } from '../../../activities/conclude.js';
import type { Deps } from '../../../activities/deps.js';
import type { Job } from '../../../domain/jobs/job.js';
import type { JobPlan } from '../../../domain/jobs/job-plan.js';
import type { RemoteEnd } from '../../../domain/jobs/remote.js';
import { aPlan } from '../../support/a-plan.js';

interface World {
  /** The job that used the output directory. */
  writer?: string;
  tail?: string;
  plan?: Partial<JobPlan>;
  env?: string;
}

async function concluded(end: RemoteEnd, { writer, tail = '', plan = {}, env = '' }: World = {}) {
  const told: string[] = [];
  const deps = {
    openHost: () => Promise.resolve({ identity: () => Promise.resolve('h'), run: () => Promise.resolve(tail) }),
    log: { warn: () => undefined },
    store: {
      jobs: {
        findWriter: () => Promise.resolve(writer ?? null),
        setRemoteEnd: () => Promise.resolve(),
        getEnv: () => Promise.resolve([{ key: 'K', value: env }]),
        addEvent: (_uuid: string, _name: string, detail: string, { message }: { message: string }) =>
          Promise.resolve(void told.push(`${detail} ${message}`)),
      },
    },
  } as unknown as Deps;
  const job = { uuid: 'u', tenant: 'dev', plan: aPlan(plan), launchedOn: 'h', remoteOutcome: null } as unknown as Job;
  return { outcome: await conclude(deps, job, end), told };
} // prettier-ignore

const batch = { jobType: 'BATCH', keeper: 'slurm' } as const;

it.each<[string, RemoteEnd, World, object]>([
  ['counts alone', { is: 'over', exitCode: 7, ownExitCode: 0 }, {}, { remoteOutcome: 'FAILED', remoteResultInfo: '7' }],
])('a word of the application %s', async (_words, end, world, expected) => {
  const { outcome, told } = await concluded(end, world);
  expect(outcome).toMatchObject(expected);
  expect(told).toEqual([]);
}); // prettier-ignore

it.each<[string, RemoteEnd, Partial<JobPlan>, object]>([
  ['a failure', { is: 'over', exitCode: 7, ownExitCode: 0 }, {}, { remoteOutcome: 'FINISHED', remoteResultInfo: '0' }],
  ['a good end', { is: 'over', exitCode: 0, ownExitCode: 137 }, {}, { remoteOutcome: 'FAILED', remoteResultInfo: '137', message: expect.stringContaining('SIGKILL') }],
  ['a failure that Slurm repeats', { is: 'over', exitCode: 7, ownExitCode: 0, condition: 'SCHEDULER_TERMINATED', word: 'FAILED' }, batch, { remoteOutcome: 'FINISHED', remoteResultInfo: '0:0' }],
  ['a good end of a Slurm job', { is: 'over', exitCode: 0, ownExitCode: 3 }, batch, { remoteResultInfo: '3:0', condition: 'SCHEDULER_TERMINATED' }],
  ['an end by the time limit', { is: 'over', exitCode: 7, ownExitCode: 0, condition: 'SCHEDULER_TIMEOUT', word: 'TIMEOUT' }, batch, { condition: 'SCHEDULER_TIMEOUT' }],
])('a word that another job may have written makes no %s', async (_words, end, plan, expected) => {
  const { outcome, told } = await concluded(end, { plan, writer: 'other' });
  expect(outcome).toMatchObject(expected);
  expect(told).toEqual([expect.stringMatching(/^EXIT_CODE_NOT_TAKEN .* the job other /)]);
}); // prettier-ignore

it('tells what was ended with the application', async () => {
  const { told } = await concluded({ is: 'over', exitCode: 0, ended: 3 });
  expect(told).toEqual([expect.stringContaining('left 3 processes in the background')]);
});

const refused = {
  condition: 'JOB_LAUNCH_FAILURE',
  message: expect.stringContaining('The host did not start') as string,
};
it.each<[string, number, string, string, object]>([
  ['by a shell', 126, 'bash: line 3: ./tapisjob_app.sh: Argument list too long', 'x'.repeat(100_000), refused],
  ['by a container engine', 126, 'exec /bin/sh: argument list too long: unknown', 'x'.repeat(100_000), refused],
  ['by Apptainer', 255, 'FATAL: engine configuration too big > 1048448', 'x'.repeat(100_000), refused],
  ['by the application itself', 126, '/bin/rm: Argument list too long', 'small', { condition: 'JOB_REMOTE_OUTCOME_ERROR' }],
  ['with another code', 1, '/bin/rm: Argument list too long', 'x'.repeat(100_000), { condition: 'JOB_REMOTE_OUTCOME_ERROR' }],
])('an end for the size of the arguments is told as it is: %s', async (_words, exitCode, tail, env, expected) => {
  expect((await concluded({ is: 'over', exitCode }, { tail, env })).outcome).toMatchObject(expected);
}); // prettier-ignore
