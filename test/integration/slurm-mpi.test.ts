import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';

import { inside } from '../support/cluster-host.js';
import { CLUSTERS } from '../support/clusters.js';
import { aKilim, cancelAll, processesOf, type JobRecord, type Kilim } from '../support/kilim.js';
import { cluster } from '../support/testbed.js';

/* MPI jobs whose tasks Slurm's own `srun` starts, as on most clusters. */

const present = (['slurm', 'noacct'] as const).filter((system) => cluster(CLUSTERS[system]));

describe.runIf(present.length > 0)('an MPI job of two tasks', { concurrent: true }, () => {
  let kilim: Kilim;
  beforeAll(async () => {
    kilim = await aKilim();
    for (const system of present) {
      const { status, message } = await kilim.call('PATCH', `/v3/systems/${system}`, { mpiCmd: 'srun' });
      if (status !== 200) throw new Error(message);
    }
  });
  afterAll(() => cancelAll(kilim).finally(kilim.stop));

  /** `script` runs once in each task. */
  const submit = (execSystemId: string, script: string, more: Record<string, unknown> = {}): Promise<string> =>
    kilim.submit({
      appId: 'zip-alice', execSystemId, jobType: 'BATCH', isMpi: true, coresPerNode: 2, ...more,
      parameterSet: {
        appArgs: [...('appId' in more ? ['sh', '-c'] : []), `'eval "$SCRIPT"'`].map((arg) => ({ arg })),
        envVariables: [{ key: 'SCRIPT', value: script }],
      },
    }); // prettier-ignore
  /** Of the process with this environment; empty where it has ended. */
  const commandOf = (environ: string): string => {
    const file = join(dirname(environ), 'cmdline');
    return existsSync(file) ? readFileSync(file, 'utf8').split('\0').join(' ').trim() : '';
  };
  const lines = (text: string): string[] => text.trim().split('\n').sort();

  it.each(present)(
    "%s: is started by the system's mpiCmd, and each task has its own output",
    async (system) => {
      const uuid = await submit(
        system,
        'echo "task $SLURM_PROCID of $SLURM_NTASKS" > "output/$SLURM_PROCID.txt"',
      );
      expect((await kilim.until(uuid, 'FINISHED', 110)).remoteResultInfo).toBe('0:0');
      expect(await kilim.output(uuid, '0.txt')).toBe('task 0 of 2\n');
      expect(await kilim.output(uuid, '1.txt')).toBe('task 1 of 2\n');
    },
    120_000,
  );

  it.each(present)(
    '%s: starts a container for each task, by the mpiCmd of the request',
    async (system) => {
      const uuid = await submit(system, 'echo "task $SLURM_PROCID"', {
        appId: 'singularity-app',
        mpiCmd: 'srun --label',
      });
      await kilim.until(uuid, 'FINISHED', 110);
      expect(lines(await kilim.output(uuid))).toEqual(['0: task 0', '1: task 1']);
    },
    120_000,
  );

  it.each(present)(
    '%s: ends with the exit code of a task that fails',
    async (system) => {
      const job: JobRecord = await kilim.until(
        await submit(system, 'exit $((SLURM_PROCID * 3))'),
        'FAILED',
        110,
      );
      expect(job).toMatchObject({ condition: 'SCHEDULER_TERMINATED', remoteResultInfo: '3:0' });
      expect(job.lastMessage).toContain('exit code 3');
    },
    120_000,
  );

  it.each(present)(
    '%s: is cancelled with all its tasks, which carry its tag',
    async (system) => {
      const uuid = await submit(system, 'exec sleep 611');
      const tasks = (): string[] => processesOf(uuid).filter((environ) => commandOf(environ) === 'sleep 611');
      await vi.waitFor(() => expect(tasks()).toHaveLength(2), { timeout: 100_000, interval: 200 });
      const { remoteJobId } = (await kilim.get(uuid)) as JobRecord & { remoteJobId: string };
      await kilim.call('POST', `/v3/jobs/${uuid}/cancel`);
      expect((await kilim.until(uuid, 'CANCELLED', 100)).lastMessage).not.toContain('Warning');
      expect(processesOf(uuid)).toEqual([]);
      expect(inside(CLUSTERS[system], 'squeue', '-h', '-o', '%A').split('\n')).not.toContain(remoteJobId);
    },
    220_000,
  );
});
