import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';

import { insideCluster } from '../support/cluster-host.js';
import { aKilim, type Kilim } from '../support/kilim.js';
import { cluster } from '../support/testbed.js';

/* How Slurm itself ends jobs, with and without accounting, and what their owner reads of it. */

const BEDS = { slurm: cluster('hpc-slurm'), noacct: cluster('hpc-noacct') };
const present = Object.entries(BEDS).flatMap(([system, bed]) => (bed ? [system] : []));
/** The node has 256,000: not enough for two of these, and some for jobs of others. */
const MORE_THAN_HALF = 200_000;

describe.runIf(present.length > 0)('a job that Slurm ends', () => {
  let kilim: Kilim;
  beforeAll(async () => {
    kilim = await aKilim();
  });
  afterAll(() => kilim.stop());

  const submit = (system: string, more: Record<string, unknown> = {}): Promise<string> =>
    kilim.submit({
      appId: 'zip-alice',
      execSystemId: system,
      jobType: 'BATCH',
      ...more,
      parameterSet: { appArgs: [{ arg: "'sleep 600'" }] },
    });
  const cancel = async (uuid: string): Promise<void> => {
    await kilim.call('POST', `/v3/jobs/${uuid}/cancel`);
    await kilim.until(uuid, 'CANCELLED', 60);
  };
  const remoteId = (uuid: string): Promise<string> =>
    vi.waitFor(
      async () => {
        const { remoteJobId } = await kilim.get(uuid);
        if (!remoteJobId) throw new Error('it has no id yet');
        return remoteJobId;
      },
      { timeout: 60_000, interval: 100 },
    );

  it.each(present)(
    '%s: because another one needs its room, is PREEMPTED',
    async (system) => {
      const lent = await submit(system, { execSystemLogicalQueue: 'lent', memoryMB: MORE_THAN_HALF });
      await kilim.until(lent, 'RUNNING', 60);
      const first = await submit(system, { memoryMB: MORE_THAN_HALF });
      const job = await kilim.until(lent, 'FAILED', 100);
      expect(job.condition).toBe('SCHEDULER_TERMINATED');
      expect(job.lastMessage).toMatch(/PREEMPTED/);
      await kilim.until(first, 'RUNNING', 60);
      await cancel(first);
    },
    300_000,
  );

  it.runIf(BEDS.slurm)(
    'because an administrator or its owner says so, and tells which of them where accounting knows',
    async () => {
      const owner = insideCluster('id', '-u', 'alice').trim();
      for (const [by, ...command] of [
        ['0', 'scancel'],
        [owner, 'runuser', '-u', 'alice', '--', 'scancel'],
      ] as const) {
        const uuid = await submit('slurm');
        await kilim.until(uuid, 'RUNNING', 60);
        insideCluster(...command, await remoteId(uuid));
        const job = await kilim.until(uuid, 'FAILED', 100);
        expect(job.condition).toBe('SCHEDULER_CANCELLED');
        expect(job.lastMessage).toContain(`CANCELLED by ${by}`);
      }
    },
    300_000,
  );
});
