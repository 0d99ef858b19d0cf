import { setTimeout as sleep } from 'node:timers/promises';

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import type { JobPlan } from '../../domain/jobs/job-plan.js';
import type { Host } from '../../hosts/host.js';
import type { Hosts } from '../../hosts/hosts.js';
import { slurm } from '../../schedulers/slurm.js';
import {
  aLoginNode,
  aStagedJob,
  control,
  INSTALLATION,
  slurmJobsOf,
  startsOfJob,
} from '../support/cluster-host.js';
import { cluster, type Cluster } from '../support/testbed.js';

/* The way to the login node breaks in the middle of a launch. */

interface Proxy {
  port: number;
  setDelay: (milliseconds: number) => void;
  cut: () => void;
  restore: () => void;
  close: () => unknown;
}
interface ProxyModule {
  openProxy: (target: number) => Promise<Proxy>;
}

const bed = cluster('hpc-slurm') as Cluster;
const PASSES = /SCHEDULER_UNAVAILABLE|OUTCOME_UNKNOWN|HOST_/;

describe.runIf(cluster('hpc-slurm'))('one job is one Slurm job', () => {
  let straight: { host: Host; hosts: Hosts };
  let cable: Proxy;
  let far: { host: Host; hosts: Hosts };
  beforeAll(async () => {
    straight = await aLoginNode(bed);
    const { openProxy } = (await import(
      new URL('../testbed/proxy.mjs', import.meta.url).href
    )) as ProxyModule;
    cable = await openProxy(bed.port);
  });
  beforeEach(async () => {
    far = await aLoginNode({ ...bed, port: cable.port });
  });
  afterEach(() => {
    control('shim', 'off');
    cable.restore();
    far.hosts.close();
  });
  afterAll(async () => {
    straight.hosts.close();
    await cable.close();
  });

  const launch = (host: Host, plan: JobPlan) => host.run(slurm.launch(plan, INSTALLATION));
  /** As the engine does: again, as long as the failure may pass. */
  const launchUntilClear = async (host: Host, plan: JobPlan, seconds = 120) => {
    for (const deadline = Date.now() + seconds * 1000; ; await sleep(500)) {
      try {
        return await launch(host, plan);
      } catch (error) {
        const { code } = error as { code?: string };
        if (Date.now() > deadline || !PASSES.test(code ?? '')) throw error;
      }
    }
  };
  const expectOne = async (plan: JobPlan, id: string): Promise<void> => {
    const settle = () => straight.host.run(slurm.settle(plan, id, INSTALLATION));
    await expect
      .poll(async () => (await settle().catch(() => ({ is: 'away' }))).is, { timeout: 90_000, interval: 500 })
      .toBe('over');
    expect(await settle()).toMatchObject({ exitCode: 0 });
    expect(await slurmJobsOf(straight.host, plan)).toEqual([id]);
    expect(await startsOfJob(straight.host, plan)).toBe(1);
  };
  const sbatchRuns = async (): Promise<void> =>
    expect
      .poll(
        () =>
          straight.host.run({
            line: 'pgrep -u alice -f "sbatch ./tapisjob.sh" | wc -l',
            parse: ({ stdout }) => Number(stdout),
          }),
        { timeout: 20_000, interval: 50 },
      )
      .toBeGreaterThan(0);

  it('when the network is cut in the middle of a launch', async () => {
    const plan = await aStagedJob(far.host, bed, { script: 'sleep 1' });
    control('shim', '--times', '1', 'sbatch', 'slow', '2');
    const first = launch(far.host, plan).catch((error: unknown) => error);
    await sbatchRuns();
    cable.cut();
    await sleep(500);
    cable.restore();
    expect(await first).toMatchObject({ code: expect.stringMatching(PASSES) as string });
    const { remoteJobId } = await launchUntilClear(far.host, plan);
    await expectOne(plan, remoteJobId);
  }, 240_000);

  it('when every packet takes 300 ms, and twice as long in the middle', async () => {
    cable.setDelay(300);
    try {
      const plan = await aStagedJob(far.host, bed, { script: 'sleep 1' });
      control('shim', '--times', '1', 'sbatch', 'slow', '1');
      const first = launch(far.host, plan);
      cable.setDelay(600);
      const [{ remoteJobId }, second] = await Promise.all([first, launch(far.host, plan)]);
      expect(second.remoteJobId).toBe(remoteJobId);
      await expectOne(plan, remoteJobId);
    } finally {
      cable.setDelay(0);
    }
  }, 240_000);

  it('when sshd is killed in the middle of a launch and comes back later', async () => {
    const plan = await aStagedJob(far.host, bed, { script: 'sleep 1' });
    control('shim', '--times', '1', 'sbatch', 'slow', '2');
    const first = launch(far.host, plan).catch((error: unknown) => error);
    await sbatchRuns();
    control('stop', 'hpc-slurm:sshd');
    const away = await first;
    await sleep(1_000);
    control('start', 'hpc-slurm:sshd');
    expect(away).toMatchObject({ code: expect.stringMatching(PASSES) as string });
    const { remoteJobId } = await launchUntilClear(far.host, plan);
    await expectOne(plan, remoteJobId);
  }, 240_000);

  it('when squeue is slow while an unclear submission is looked for', async () => {
    const plan = await aStagedJob(far.host, bed, { script: 'sleep 1' });
    control('shim', '--times', '1', 'sbatch', 'submit-then-exit-1');
    control('shim', 'squeue', 'slow', '3');
    const { remoteJobId, adopted } = await launchUntilClear(far.host, plan);
    expect(adopted).toBe(true);
    await expectOne(plan, remoteJobId);
  }, 240_000);

  it('when slurmctld is killed in the middle of a launch', async () => {
    const plan = await aStagedJob(far.host, bed, { script: 'sleep 1' });
    const first = launch(far.host, plan).catch((error: unknown) => error);
    control('kill', 'hpc-slurm:slurmctld');
    control('start', 'hpc-slurm:slurmctld');
    await first;
    const { remoteJobId } = await launchUntilClear(far.host, plan);
    await expectOne(plan, remoteJobId);
  }, 240_000);
});
