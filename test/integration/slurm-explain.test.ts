import { setTimeout as sleep } from 'node:timers/promises';

import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';

import { insideCluster } from '../support/cluster-host.js';
import { aKilim, cancelAll, type Kilim } from '../support/kilim.js';
import { cluster, type Cluster } from '../support/testbed.js';

/* Why a job waits in the queue of a real Slurm, as a researcher reads it. */

const bed = cluster('hpc-slurm') as Cluster;
/** The node has 256,000. */
const NEARLY_ALL = { memoryMB: 250_000 };

describe.runIf(cluster('hpc-slurm'))('explain tells why a job waits', () => {
  let kilim: Kilim;
  const uuids: Record<string, string> = {};

  const submit = (options: string[] = [], more: Record<string, unknown> = {}): Promise<string> =>
    kilim.submit({
      appId: 'zip-alice', execSystemId: 'slurm', jobType: 'BATCH', ...more,
      parameterSet: { appArgs: [{ arg: "'sleep 600'" }], schedulerOptions: options.map((arg) => ({ arg })) },
    }); // prettier-ignore
  const node = (...settings: string[]): string =>
    insideCluster('scontrol', 'update', `nodename=${bed.slurm.node}`, ...settings);
  const mayRun = (user: string, jobs: number): string =>
    insideCluster('sacctmgr', '-i', 'modify', 'user', 'where', `name=${user}`, 'set', `maxjobs=${jobs}`);
  const queued = async (uuid: string): Promise<string> => {
    await kilim.until(uuid, 'QUEUED', 60);
    return vi.waitFor(
      async () => {
        const { remoteJobId } = (await kilim.get(uuid)) as unknown as { remoteJobId: string | null };
        if (!remoteJobId) throw new Error('not yet');
        return remoteJobId;
      },
      { timeout: 30_000, interval: 100 },
    );
  };

  beforeAll(async () => {
    kilim = await aKilim();
    node('availablefeatures=fast', 'activefeatures=fast');
    mayRun('carol', 1);
    insideCluster('sacctmgr', '-i', 'add', 'qos', 'one', 'set', 'maxjobsperuser=1');
    insideCluster('sacctmgr', '-i', 'modify', 'user', 'where', 'name=alice', 'set', 'qos+=one');
    const first = await submit([], NEARLY_ALL);
    await kilim.until(first, 'RUNNING', 60);
    const carol = { appId: 'zip-carol', execSystemId: 'slurm-carol' };
    await kilim.until(await submit([], carol), 'RUNNING', 60);
    await kilim.until(await submit(['--qos=one']), 'RUNNING', 60);
    uuids['QOSMaxJobsPerUserLimit'] = await submit(['--qos=one']);
    uuids['AssocMaxJobsLimit'] = await submit([], carol);
    uuids['Resources'] = await submit([], NEARLY_ALL);
    await queued(uuids['Resources']);
    uuids['Priority'] = await submit([], NEARLY_ALL);
    uuids['Dependency'] = await submit([`--dependency=afterok:${await queued(uuids['Resources'])}`]);
    uuids['BeginTime'] = await submit(['--begin=now+2hours']);
    uuids['JobHeldUser'] = await submit(['--hold']);
    uuids['JobHeldAdmin'] = await submit([], NEARLY_ALL);
    insideCluster('scontrol', 'hold', await queued(uuids['JobHeldAdmin']));
    uuids['PartitionDown'] = await submit([], { execSystemLogicalQueue: 'closed' });
    uuids['BadConstraints'] = await submit(['--constraint=fast', '--begin=now+2hours']);
    const late = await queued(uuids['BadConstraints']);
    node('availablefeatures=', 'activefeatures=');
    // Slurm looks at the first in line only; a pass of its other scheduler that had begun before may say Priority over it
    await vi.waitFor(
      async () => {
        insideCluster('scontrol', 'update', `jobid=${late}`, 'starttime=now', 'priority=4000000000');
        await sleep(4_000);
        expect(insideCluster('squeue', '-h', '-j', late, '-o', '%r').trim()).toBe('BadConstraints');
      },
      { timeout: 60_000 },
    );
  }, 300_000);
  afterAll(async () => {
    await cancelAll(kilim);
    await kilim.stop();
    node('availablefeatures=', 'activefeatures=');
    mayRun('carol', -1);
    insideCluster('sacctmgr', '-i', 'delete', 'qos', 'one');
  }, 240_000);

  it.each([
    ['Resources', /waits until enough nodes, cores or memory are free/],
    ['Priority', /higher priority and are started first/],
    ['Dependency', /waits for another Slurm job/],
    ['BeginTime', /earliest start time/],
    ['JobHeldUser', /it is held/],
    ['JobHeldAdmin', /it is held/],
    ['PartitionDown', /does not start jobs now/],
    ['AssocMaxJobsLimit', /so many of your jobs run already/],
    ['QOSMaxJobsPerUserLimit', /so many of your jobs run already/],
    ['BadConstraints', /no node can ever fulfil/],
  ])('%s', { timeout: 200_000 }, async (reason, sentence) => {
    await vi.waitFor(
      async () => {
        const { result } = await kilim.call('GET', `/v3/jobs/${uuids[reason] ?? ''}/explain`);
        const { status, explanation, evidence } = result as {
          status: string;
          explanation: string;
          evidence: string[];
        };
        expect(status).toBe('QUEUED');
        expect(evidence.join('\n')).toContain(reason);
        expect(explanation).toMatch(sentence);
      },
      { timeout: 180_000, interval: 1_000 },
    );
    // the same stands in the job's record
    expect((await kilim.get(uuids[reason] ?? '')).lastMessage).toContain(`PENDING: ${reason}`);
  });

  it('and of a constraint that no node ever fulfilled, that Slurm refused it', async () => {
    const job = await kilim.until(await submit(['--constraint=nosuch']), 'FAILED', 60);
    expect(job.condition).toBe('JOB_LAUNCH_FAILURE');
    expect(job.lastMessage).toMatch(/Slurm refused the job.*feature/is);
  }, 90_000);
});
