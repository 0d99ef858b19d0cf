import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

import type { JobPlan } from '../../domain/jobs/job-plan.js';
import type { Forgotten, RemoteState } from '../../domain/jobs/remote.js';
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

/* The very scripts that go to a login node, while Slurm or the way to it misbehaves. */

const bed = cluster('hpc-slurm') as Cluster;

describe.runIf(cluster('hpc-slurm'))('one job is one Slurm job', () => {
  let host: Host;
  let hosts: Hosts;
  beforeAll(async () => {
    ({ host, hosts } = await aLoginNode(bed));
  });
  afterEach(() => control('shim', 'off'));
  afterAll(() => hosts.close());

  const launch = (plan: JobPlan) => host.run(slurm.launch(plan, INSTALLATION));
  const settle = (plan: JobPlan, id: string) => host.run(slurm.settle(plan, id, INSTALLATION));
  const over = async (plan: JobPlan, id: string): Promise<RemoteState | Forgotten> => {
    await expect
      .poll(async () => (await settle(plan, id)).is, { timeout: 60_000, interval: 500 })
      .toBe('over');
    return settle(plan, id);
  };
  /** As the engine does: again, as long as the failure may pass. */
  const launchUntilClear = async (plan: JobPlan) => {
    for (let attempt = 1; ; attempt++) {
      try {
        return await launch(plan);
      } catch (error) {
        const { code } = error as { code?: string };
        if (attempt === 5 || !/SCHEDULER_UNAVAILABLE|OUTCOME_UNKNOWN|HOST_/.test(code ?? '')) throw error;
      }
    }
  };
  const expectOne = async (plan: JobPlan, id: string): Promise<void> => {
    expect(await over(plan, id)).toMatchObject({ is: 'over', exitCode: 0 });
    expect(await slurmJobsOf(host, plan)).toEqual([id]);
    expect(await startsOfJob(host, plan)).toBe(1);
  };

  it('when it is launched three times at once', async () => {
    const plan = await aStagedJob(host, bed, { script: 'sleep 1' });
    const all = await Promise.all([launch(plan), launch(plan), launch(plan)]);
    expect(new Set(all.map(({ remoteJobId }) => remoteJobId)).size).toBe(1);
    expect(all.filter(({ adopted }) => !adopted)).toHaveLength(1);
    await expectOne(plan, all[0]?.remoteJobId ?? '');
  }, 60_000);

  it.each([
    ['submits and says it failed', ['submit-then-exit-1']],
    ['submits and prints rubbish', ['rubbish']],
    ['submits and takes the connection with it', ['lose-reply']],
    ['submits and hangs', ['submit-then-hang', '60']],
    ['answers late', ['slow', '3']],
    ['says nothing and submits nothing', ['empty']],
    ['does not reach slurmctld', ['fail']],
  ])(
    'when sbatch %s',
    async (_words, fault) => {
      const plan = await aStagedJob(host, bed, { script: 'sleep 1' });
      control('shim', '--times', '1', 'sbatch', ...fault);
      const { remoteJobId } = await launchUntilClear(plan);
      await expectOne(plan, remoteJobId);
    },
    120_000,
  );

  it('whose output stays whole where somebody submits its script once more', async () => {
    const script = 'echo once; until [ -e go ]; do sleep 0.1; done; echo end';
    const plan = await aStagedJob(host, bed, { script });
    const { execDir, outputDir } = plan.paths;
    const say = (line: string) => host.run({ line, parse: ({ stdout }) => stdout.trim() });
    await say(`echo of an earlier job > ${outputDir}/tapisjob.out`);
    const { remoteJobId } = await launch(plan);
    await expect.poll(async () => (await settle(plan, remoteJobId)).is, { timeout: 60_000 }).toBe('running');
    const second = await say(`cd ${execDir} && /usr/bin/sbatch --parsable ./tapisjob.sh`);
    const stateOfSecond = () => say(`/usr/bin/squeue -h -t all -j ${second} -o %T`);
    await expect.poll(stateOfSecond, { timeout: 60_000, interval: 300 }).toBe('COMPLETED');
    await say(`touch ${execDir}/go`);
    expect(await over(plan, remoteJobId)).toMatchObject({ exitCode: 0 });
    expect(await say(`cat ${outputDir}/tapisjob.out`)).toBe('once\nend');
    expect(await startsOfJob(host, plan)).toBe(1);
  }, 120_000);

  it('when squeue fails while an unclear submission is looked for', async () => {
    const plan = await aStagedJob(host, bed, { script: 'sleep 1' });
    control('shim', '--times', '1', 'sbatch', 'submit-then-exit-1');
    control('shim', '--times', '1', 'squeue', 'fail');
    await expect(launch(plan)).rejects.toMatchObject({ code: 'SCHEDULER_UNAVAILABLE' });
    const { remoteJobId, adopted } = await launch(plan);
    expect(adopted).toBe(true);
    await expectOne(plan, remoteJobId);
  }, 60_000);

  it('when slurmctld stands still and answers after the attempt was given up', async () => {
    const plan = await aStagedJob(host, bed, { script: 'sleep 1' });
    control('freeze', 'hpc-slurm:slurmctld');
    const first = launch(plan).catch((error: unknown) => error);
    await expect
      .poll(() => host.run({ line: `pgrep -u alice -x sbatch | wc -l`, parse: ({ stdout }) => Number(stdout) }), { timeout: 20_000 })
      .toBeGreaterThan(0); // prettier-ignore
    const second = launch(plan).catch((error: unknown) => error);
    control('thaw', 'hpc-slurm:slurmctld');
    await Promise.all([first, second]);
    const { remoteJobId } = await launchUntilClear(plan);
    await expectOne(plan, remoteJobId);
  }, 120_000);

  it('when slurmctld is down, and up again later', async () => {
    const plan = await aStagedJob(host, bed, { script: 'sleep 1' });
    control('stop', 'hpc-slurm:slurmctld');
    try {
      await expect(launch(plan)).rejects.toMatchObject({ code: 'SCHEDULER_UNAVAILABLE' });
    } finally {
      control('start', 'hpc-slurm:slurmctld');
    }
    const { remoteJobId } = await launchUntilClear(plan);
    await expectOne(plan, remoteJobId);
  }, 240_000);

  it('of which no trace is left when it is cancelled before, during or after the launch', async () => {
    const plans = await Promise.all([1, 2, 3].map(() => aStagedJob(host, bed, { script: 'sleep 300' })));
    const [before, during, after] = plans as [JobPlan, JobPlan, JobPlan];
    const cancel = (plan: JobPlan, id: string | null) => host.run(slurm.cancel(plan, id, INSTALLATION));
    expect(await cancel(before, null)).toEqual({ left: [] });
    await expect(launch(before)).rejects.toMatchObject({ code: 'LAUNCH_FAILED' });
    const [, { left }] = await Promise.all([launch(during).catch(() => null), cancel(during, null)]);
    expect(left).toEqual([]);
    const { remoteJobId } = await launch(after);
    expect(await cancel(after, remoteJobId)).toEqual({ left: [] });
    for (const plan of plans) {
      const active = await host.run({
        line: `/usr/bin/squeue --me --noheader --format='%k' | grep -c ${plan.uuid}`,
        parse: ({ stdout }) => Number(stdout),
      });
      expect(active).toBe(0);
    }
  }, 120_000);
});

describe.runIf(cluster('hpc-slurm'))('the fate of a job', () => {
  let host: Host;
  let hosts: Hosts;
  beforeAll(async () => {
    ({ host, hosts } = await aLoginNode(bed));
  });
  afterEach(() => control('shim', 'off'));
  afterAll(() => hosts.close());

  it.each([
    ['squeue', 'empty'],
    ['squeue', 'stale'],
    ['sacct', 'disabled'],
    ['sacct', 'fail'],
  ])(
    'is the right one while %s is %s',
    async (command, fault) => {
      const plan = await aStagedJob(host, bed, { script: 'exit 7' });
      control('shim', command, fault);
      const { remoteJobId } = await host.run(slurm.launch(plan, INSTALLATION));
      const settle = () => host.run(slurm.settle(plan, remoteJobId, INSTALLATION));
      await expect.poll(async () => (await settle()).is, { timeout: 60_000, interval: 500 }).toBe('over');
      expect(await settle()).toMatchObject({
        exitCode: 7,
        word: 'FAILED',
        condition: 'SCHEDULER_TERMINATED',
      });
    },
    90_000,
  );

  it('is unknown, never over, while slurmctld does not answer', async () => {
    const plan = await aStagedJob(host, bed, { script: 'sleep 300' });
    const { remoteJobId } = await host.run(slurm.launch(plan, INSTALLATION));
    control('shim', 'scontrol', 'fail');
    expect(await host.run(slurm.settle(plan, remoteJobId, INSTALLATION))).toMatchObject({ is: 'unknown' });
    control('shim', 'squeue', 'fail');
    await expect(host.run(slurm.snapshot(INSTALLATION))).rejects.toThrow('squeue');
    control('shim', 'off');
    expect((await host.run(slurm.cancel(plan, remoteJobId, INSTALLATION))).left).toEqual([]);
  }, 90_000);

  it.each([
    ['an unknown partition', { hpcQueue: 'nosuch' }, /partition/i],
    ['an unknown account', { schedulerOptions: [anArg('--account nosuch')] }, /account/i],
    ['an unknown QOS', { schedulerOptions: [anArg('--qos=nosuch')] }, /qos/i],
  ])(
    'is a refusal in Slurm’s own words for %s',
    async (_words, more, words) => {
      const plan = await aStagedJob(host, bed, { script: 'true', ...more });
      await expect(host.run(slurm.launch(plan, INSTALLATION))).rejects.toMatchObject({
        code: 'LAUNCH_FAILED',
        message: expect.stringMatching(words) as string,
      });
    },
    60_000,
  );

  it('keeps paths with blanks, quotes, letters of others and percent signs whole', async () => {
    const plan = await aStagedJob(host, bed, {
      script: 'echo here',
      logConfig: { stdoutFilename: 'a b #1 "ü" %j.out', stderrFilename: 'a b #1 "ü" %j.out' },
      schedulerOptions: [anArg('--comment it’s "mine" # yes'), anArg('--job-name=a:b')],
    });
    const { remoteJobId } = await host.run(slurm.launch(plan, INSTALLATION));
    await expect
      .poll(async () => (await host.run(slurm.settle(plan, remoteJobId, INSTALLATION))).is, {
        timeout: 60_000,
      })
      .toBe('over');
    const said = await host.run({
      line: `cat '${plan.paths.outputDir}/a b #1 "ü" %j.out'; /usr/bin/squeue -h -t all -j ${remoteJobId} -o '%j|%k'`,
      parse: ({ stdout }) => stdout,
    });
    expect(said).toBe(`here\na-b|kilim:${INSTALLATION}:${plan.uuid} it’s "mine" # yes\n`);
  }, 90_000);
});

function anArg(arg: string) {
  return { name: null, description: null, include: null, arg, notes: null };
}
