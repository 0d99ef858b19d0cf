import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { aKilim, type JobRecord, type Kilim } from '../support/kilim.js';
import { cluster } from '../support/testbed.js';

/* What a BATCH job's record says that it used, on real clusters, with and without accounting. */

const BEDS = { slurm: cluster('hpc-slurm'), noacct: cluster('hpc-noacct') };
const present = Object.entries(BEDS).flatMap(([system, bed]) => (bed ? [{ system, ...bed.slurm }] : []));
const MEMORY_MB = 700;

/** Shell text: a process that holds so much memory and is busy for a second. */
const busy = (heldMB: number): string =>
  `python3 -c "import time; held = bytearray([1]) * (${heldMB} << 20); any(time.process_time() > 1 for _ in iter(int, 1))"`;

interface Used {
  cpuSeconds: number | null;
  peakMemoryMB: number | null;
  elapsedSeconds: number;
  nodes: number;
}

describe.runIf(present.length > 0)('what a BATCH job used', () => {
  let kilim: Kilim;
  beforeAll(async () => {
    kilim = await aKilim();
  });
  afterAll(() => kilim.stop());

  /** A run of a script, and what its record and `explain` say after it. */
  async function run(
    system: string,
    script: string,
    more: Record<string, unknown> = {},
  ): Promise<{ used: Used; told: string[] }> {
    const uuid = await kilim.submit({
      appId: 'zip-alice', execSystemId: system, jobType: 'BATCH', memoryMB: MEMORY_MB, maxMinutes: 7, ...more,
      parameterSet: { appArgs: [{ arg: `'eval "$SCRIPT"'` }], envVariables: [{ key: 'SCRIPT', value: script }] },
    }); // prettier-ignore
    const { kilimUsage } = (await kilim.until(uuid, 'FINISHED', 100)) as JobRecord & { kilimUsage: Used };
    const { result } = await kilim.call('GET', `/v3/jobs/${uuid}/explain`);
    return { used: kilimUsage, told: (result as { evidence: string[] }).evidence };
  }

  const expectBetween = (value: number | null, low: number, high: number): void => {
    expect(value).toBeGreaterThan(low);
    expect(value).toBeLessThan(high);
  };

  describe.concurrent.each(present)('on $system', ({ system, accounting, memoryLimit }) => {
    /** Only where the kernel keeps its limits does Slurm give a job a cgroup there; nobody else measures memory. */
    const expectMemory = ({ peakMemoryMB }: Used): void =>
      memoryLimit === 'kernel' ? expectBetween(peakMemoryMB, 150, 400) : expect(peakMemoryMB).toBeNull();
    /** Of busy steps. Where the job has no cgroup for it, accounting alone measures them; its wrapper sees nothing of them. */
    const expectSteps = ({ cpuSeconds }: Used, tasks: number): void =>
      accounting ? expectBetween(cpuSeconds, tasks - 0.1, 3 * tasks) : expect(cpuSeconds).toBeNull();

    it('is on its record, and explain sets it beside what was asked for', async () => {
      const { used, told } = await run(system, busy(200));
      expectBetween(used.cpuSeconds, 0.9, 4);
      expectMemory(used);
      expectBetween(used.elapsedSeconds, 0.9, 90);
      expect(used.nodes).toBe(1);

      const asked = `asked for ${MEMORY_MB} MB of memory, used ${used.peakMemoryMB ?? '?'} MB`;
      expect(told).toContain(`used ${used.cpuSeconds?.toFixed(1) ?? '?'} seconds of processor time`);
      expect(told.filter((line) => line.includes('of memory'))).toEqual(
        used.peakMemoryMB === null ? [] : [asked],
      );
      expect(told.join('\n')).toMatch(/ran for .*; asked for 7 minutes/);
    }, 120_000);

    it.each([
      ['by mpiCmd', 2, busy(100), { isMpi: true, mpiCmd: 'srun -n 2' }],
      ['by itself', 2, `srun -n 2 ${busy(100)}`, {}],
      ['by itself, one task as asked for, in more than ten seconds', 1, `sleep 10; srun ${busy(200)}`, {}],
    ])(
      'is all that its steps used, or unknown, where it starts them %s',
      async (_how, tasks, script, more) => {
        const { used, told } = await run(system, script, { coresPerNode: tasks, ...more });
        expectSteps(used, tasks);
        expectMemory(used);
        expect(told.some((line) => line.includes('processor time'))).toBe(used.cpuSeconds !== null);
      },
      120_000,
    );
  });
});
