import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { aKilim, type Kilim } from '../support/kilim.js';
import { cluster, part } from '../support/testbed.js';

/*
 * One suite for every pair of runtime and keeper that the table in domain/jobs/keeper.ts allows, on the real parts.
 * A pair whose part is not there is skipped by name.
 */

interface Pair {
  app: string;
  system: string;
  jobType: 'FORK' | 'BATCH';
  isHere: boolean;
}

const onCluster = (system: string, name: 'hpc-slurm' | 'hpc-noacct', user = 'alice'): Pair[] =>
  (['FORK', 'BATCH'] as const).map((jobType) => ({ app: `zip-${user}`, system, jobType, isHere: cluster(name) !== null })); // prettier-ignore

const PAIRS: Pair[] = [
  { app: 'zip-app', system: 'here', jobType: 'FORK', isHere: true },
  { app: 'zip-app', system: 'vm', jobType: 'FORK', isHere: part('vm-ssh') !== null },
  { app: 'docker-app', system: 'vm', jobType: 'FORK', isHere: (part('vm-ssh') && part('docker')) !== null },
  ...onCluster('slurm', 'hpc-slurm'),
  ...onCluster('noacct', 'hpc-noacct'),
];

let kilim: Kilim;
beforeAll(async () => {
  kilim = await aKilim();
});
afterAll(() => kilim.stop());

const run = (pair: Pair, script: string, more: Record<string, unknown> = {}): Promise<string> => {
  const { parameterSet, ...rest } = more as { parameterSet?: Record<string, unknown[]> };
  const args = pair.app.startsWith('docker') ? ['sh', '-c', `'eval "$SCRIPT"'`] : [`'eval "$SCRIPT"'`];
  return kilim.submit({
    appId: pair.app,
    execSystemId: pair.system,
    jobType: pair.jobType,
    ...rest,
    parameterSet: {
      ...parameterSet,
      appArgs: args.map((arg) => ({ arg })),
      envVariables: [{ key: 'SCRIPT', value: script }],
    },
  });
};

for (const pair of PAIRS) {
  describe.runIf(pair.isHere)(`${pair.app} as ${pair.jobType} on ${pair.system}`, () => {
    const isBatch = pair.jobType === 'BATCH';

    it('runs, and its output can be had', async () => {
      const uuid = await run(pair, 'echo hello');
      const job = await kilim.until(uuid, 'FINISHED', 60);
      expect(job).toMatchObject({ condition: 'NORMAL_COMPLETION', remoteResultInfo: isBatch ? '0:0' : '0' });
      expect(await kilim.output(uuid)).toBe('hello\n');
    });

    it('fails with the true exit code and its last lines', async () => {
      const uuid = await run(pair, 'echo oops; exit 3');
      const job = await kilim.until(uuid, 'FAILED', 60);
      expect(job).toMatchObject({
        condition: isBatch ? 'SCHEDULER_TERMINATED' : 'JOB_REMOTE_OUTCOME_ERROR',
        remoteResultInfo: isBatch ? '3:0' : '3',
      });
      expect(job.lastMessage).toContain('exit code 3');
      expect(job.lastMessage).toContain('oops');
    });
  });
}
