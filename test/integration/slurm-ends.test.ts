import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';

import { inside } from '../support/cluster-host.js';
import { CLUSTERS } from '../support/clusters.js';
import { aKilim, cancelAll, type Kilim } from '../support/kilim.js';
import { cluster } from '../support/testbed.js';

/* How Slurm itself ends jobs, with and without accounting, and what their owner reads of it. */

const present = (['slurm', 'noacct'] as const).filter((system) => cluster(CLUSTERS[system]));
/** The node has 256,000: not enough for two of these, and some for jobs of others. */
const MORE_THAN_HALF = 200_000;

describe.runIf(present.length > 0)('a job that Slurm ends', { concurrent: true }, () => {
  let kilim: Kilim;
  beforeAll(async () => {
    kilim = await aKilim();
  });
  afterAll(() => cancelAll(kilim).finally(kilim.stop));

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

  const cancels = present.flatMap((system) => [
    [system, 'an administrator', 'root'] as const,
    [system, 'its owner', 'alice'] as const,
  ]);
  it.each(cancels)(
    '%s: because %s cancels it, is CANCELLED; only accounting tells by whom',
    async (system, _who, as) => {
      const on = (...words: string[]): string => inside(CLUSTERS[system], ...words);
      const uuid = await submit(system);
      await kilim.until(uuid, 'RUNNING', 60);
      on('runuser', '-u', as, '--', 'scancel', await remoteId(uuid));
      const job = await kilim.until(uuid, 'FAILED', 100);
      expect(job.condition).toBe('SCHEDULER_CANCELLED');
      if (system === 'slurm') expect(job.lastMessage).toContain(`CANCELLED by ${on('id', '-u', as).trim()}`);
      else expect(job.lastMessage).toMatch(/CANCELLED(?! by)/);
    },
    200_000,
  );
});
