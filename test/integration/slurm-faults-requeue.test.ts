import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import type { JobPlan } from '../../domain/jobs/job-plan.js';
import type { Forgotten, RemoteState } from '../../domain/jobs/remote.js';
import type { Host } from '../../hosts/host.js';
import type { Hosts } from '../../hosts/hosts.js';
import { slurm } from '../../schedulers/slurm.js';
import {
  aLoginNode,
  aStagedJob,
  insideCluster,
  INSTALLATION,
  slurmJobsOf,
  startsOfJob,
} from '../support/cluster-host.js';
import { cluster, type Cluster } from '../support/testbed.js';

const bed = cluster('hpc-slurm') as Cluster;

describe.runIf(cluster('hpc-slurm'))('a job that Slurm puts into the queue again', () => {
  let host: Host;
  let hosts: Hosts;
  beforeAll(async () => {
    ({ host, hosts } = await aLoginNode(bed));
  });
  afterAll(() => hosts.close());

  const settle = (plan: JobPlan, id: string): Promise<RemoteState | Forgotten> =>
    host.run(slurm.settle(plan, id, INSTALLATION));
  const until = async (plan: JobPlan, id: string, is: string): Promise<RemoteState | Forgotten> => {
    let state: RemoteState | Forgotten | undefined;
    await expect
      .poll(async () => (state = await settle(plan, id)).is, { timeout: 100_000, interval: 300 })
      .toBe(is);
    return state as RemoteState;
  };
  const scontrol = (...words: string[]): string => insideCluster('scontrol', ...words);
  /** As an operator. Slurm would wait for two minutes, and needs one second: what is revoked counts in whole ones. */
  const again = (id: string, seconds = 2): void => {
    scontrol('requeue', id);
    scontrol('update', `jobid=${id}`, `starttime=now+${seconds}`);
  };

  it('runs twice where it may, as one job, however long it waits between', async () => {
    const script = 'echo run >> runs; [ "$(wc -l < runs)" -gt 1 ] || sleep 300';
    const plan = await aStagedJob(host, bed, { script, repeatable: true });
    const { remoteJobId } = await host.run(slurm.launch(plan, INSTALLATION));
    await until(plan, remoteJobId, 'running');
    again(remoteJobId, 35); // longer than a bad end waits for the word of Slurm
    expect(await until(plan, remoteJobId, 'over')).toMatchObject({ exitCode: 0 });
    expect(await startsOfJob(host, plan)).toBe(2);
    expect(await slurmJobsOf(host, plan)).toEqual([remoteJobId]);
  }, 240_000);

  it('is told to Slurm not to be repeatable, which then refuses', async () => {
    const plan = await aStagedJob(host, bed, { script: 'sleep 300' });
    const { remoteJobId } = await host.run(slurm.launch(plan, INSTALLATION));
    await until(plan, remoteJobId, 'running');
    expect(scontrol('show', 'job', '-o', remoteJobId)).toContain('Requeue=0');
    expect(() => scontrol('requeue', remoteJobId)).toThrow();
    expect((await host.run(slurm.cancel(plan, remoteJobId, INSTALLATION))).left).toEqual([]);
  }, 180_000);

  it('is started once all the same where an operator insists, and the end says so', async () => {
    const plan = await aStagedJob(host, bed, { script: 'echo run >> runs; sleep 300' });
    const { remoteJobId } = await host.run(slurm.launch(plan, INSTALLATION));
    await until(plan, remoteJobId, 'running');
    scontrol('update', `jobid=${remoteJobId}`, 'requeue=1');
    again(remoteJobId);
    const refused = `${plan.paths.execDir}/.kilim/${plan.uuid}/refused`;
    const restarts = (): Promise<string> =>
      host.run({ line: `cat ${refused} 2> /dev/null`, parse: ({ stdout }) => stdout.trim() });
    await expect.poll(restarts, { timeout: 60_000, interval: 300 }).toBe('1');
    expect(await until(plan, remoteJobId, 'over')).toMatchObject({ condition: 'SCHEDULER_TERMINATED' });
    const runs = await host.run({
      line: `wc -l < ${plan.paths.execDir}/runs`,
      parse: ({ stdout }) => stdout,
    });
    expect(runs.trim()).toBe('1');
    expect(await startsOfJob(host, plan)).toBe(1);
  }, 240_000);
});
