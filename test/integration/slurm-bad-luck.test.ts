import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import type { JobPlan } from '../../domain/jobs/job-plan.js';
import type { Forgotten, RemoteState } from '../../domain/jobs/remote.js';
import type { Host } from '../../hosts/host.js';
import type { Hosts } from '../../hosts/hosts.js';
import { slurm } from '../../schedulers/slurm.js';
import { aLoginNode, aStagedJob, control, insideCluster, INSTALLATION } from '../support/cluster-host.js';
import { aKilim, type Kilim } from '../support/kilim.js';
import { cluster, type Cluster } from '../support/testbed.js';

/* What users ask wrongly and what befalls them on a cluster: a clear message and a named condition each. */

const bed = cluster('hpc-slurm') as Cluster;

describe.runIf(cluster('hpc-slurm'))('what a BATCH job asks wrongly', () => {
  let kilim: Kilim;
  beforeAll(async () => {
    kilim = await aKilim();
  });
  afterAll(() => kilim.stop());

  const aJob = (more: Record<string, unknown> = {}): Record<string, unknown> => {
    const { parameterSet, ...rest } = more as { parameterSet?: Record<string, unknown> };
    return {
      name: 'test',
      appId: 'zip-alice',
      appVersion: '1',
      execSystemId: 'slurm',
      jobType: 'BATCH',
      ...rest,
      parameterSet: { appArgs: [{ arg: "'echo hello'" }], ...parameterSet },
    };
  };
  const withOption = (...options: string[]) =>
    aJob({ parameterSet: { schedulerOptions: options.map((arg) => ({ arg })) } });

  it.each<[string, Record<string, unknown>, RegExp]>([
    ['an unknown queue', aJob({ execSystemLogicalQueue: 'nope' }), /execSystemLogicalQueue: "nope" is not a logical queue/],
    ['more minutes than the queue allows', aJob({ execSystemLogicalQueue: 'short', maxMinutes: 6 }), /maxMinutes: 6 is more than maxMinutes 5/],
    ['more nodes', aJob({ execSystemLogicalQueue: 'short', nodeCount: 2 }), /nodeCount: 2 is more than maxNodeCount 1/],
    ['more cores', aJob({ execSystemLogicalQueue: 'short', coresPerNode: 5 }), /coresPerNode: 5 is more than maxCoresPerNode 4/],
    ['more memory', aJob({ execSystemLogicalQueue: 'short', memoryMB: 1001 }), /memoryMB: 1001 is more than maxMemoryMB 1000/],
    ['an option that Kilim owns', withOption('--time=5'), /"--time=5" is set by Kilim from maxMinutes/],
    ['an option without its value', withOption('--account'), /"--account" needs a value/],
    ['a word that is no option', withOption('science'), /"science" is not an option/],
    ['two options in one', withOption('--qos a --account b'), /has a blank in its value/],
    ['a newline in an option', withOption('--comment one\n#SBATCH --uid=0'), /control character/],
    ['a profile that is not there', withOption('--tapis-profile nope'), /nope/],
    ['a newline in a path', aJob({ execSystemExecDir: 'a\nb' }), /execSystemExecDir.*control character/],
  ])(
    '%s is refused with field, value and rule, and no job comes of it',
    async (_words, request, rule) => {
      const before = ((await kilim.call('GET', '/v3/jobs/list?limit=-1')).result as unknown[]).length;
      const { status, message } = await kilim.call('POST', '/v3/jobs/submit', request);
      expect(message).toMatch(rule);
      expect(status).toBeGreaterThanOrEqual(400);
      expect(status).toBeLessThan(500);
      expect((await kilim.call('GET', '/v3/jobs/list?limit=-1')).result).toHaveLength(before);
    },
    60_000,
  ); // prettier-ignore

  it.each<[string, Record<string, unknown>, RegExp]>([
    ['an account', withOption('--account=nosuch'), /Slurm refused the job.*account/is],
    ['a partition', aJob({ execSystemLogicalQueue: 'wrong' }), /Slurm refused the job.*partition/is],
    ['a reservation', withOption('--reservation=nosuch'), /Slurm refused the job.*reservation/is],
  ])(
    '%s that Slurm does not know fails the job in the words of Slurm',
    async (_words, request, words) => {
      const job = await kilim.until(await kilim.submit(request), 'FAILED', 110);
      expect(job.condition).toBe('JOB_LAUNCH_FAILURE');
      expect(job.lastMessage).toMatch(words);
    },
    120_000,
  );

  it('a folder with blanks, quotes and letters of others is taken as it is', async () => {
    const name = `it's a "dür" %j $HOME ${Date.now()}`;
    const uuid = await kilim.submit(aJob({ execSystemExecDir: `workdir/${name}` }));
    await kilim.until(uuid, 'FINISHED', 110);
    expect(await kilim.output(uuid)).toBe('hello\n');
    expect(
      readFileSync(join(bed.users['alice']?.homeOnThisMachine ?? '', 'workdir', name, 'tapisjob.sh'), 'utf8'),
    ).toContain('#SBATCH');
  }, 120_000);

  it('without space in the home a job is BLOCKED by the disk, and goes on when there is room', async () => {
    insideCluster('sh', '-c', 'umount /home/alice/full 2>/dev/null; mkdir -p /home/alice/full');
    insideCluster('mount', '-t', 'tmpfs', '-o', `size=1m,mode=755,uid=${insideCluster('id', '-u', 'alice').trim()}`, 'tmpfs', '/home/alice/full'); // prettier-ignore
    try {
      insideCluster('sh', '-c', 'head -c 2000000 /dev/zero > /home/alice/full/fill 2>/dev/null; true');
      const uuid = await kilim.submit(aJob({ execSystemExecDir: 'full/job' }));
      const blocked = await kilim.until(uuid, 'BLOCKED', 110);
      expect(blocked.lastMessage).toContain('No space left');
      insideCluster('rm', '/home/alice/full/fill');
      await kilim.call('POST', `/v3/jobs/${uuid}/resume`);
      await kilim.until(uuid, 'FINISHED', 150);
    } finally {
      insideCluster('umount', '-l', '/home/alice/full');
    }
  }, 300_000);
});

describe.runIf(cluster('hpc-slurm'))('what befalls a Slurm job', () => {
  let host: Host;
  let hosts: Hosts;
  beforeAll(async () => {
    ({ host, hosts } = await aLoginNode(bed));
  });
  afterAll(() => hosts.close());

  const over = async (
    on: Host,
    plan: JobPlan,
    id: string,
    seconds = 60,
  ): Promise<RemoteState | Forgotten> => {
    let state: RemoteState | Forgotten = { is: 'unknown', why: '' };
    await expect
      .poll(async () => (state = await on.run(slurm.settle(plan, id, INSTALLATION))).is, {
        timeout: seconds * 1000,
        interval: 500,
      })
      .toBe('over');
    return state;
  };

  it('a wrapper that is killed ends its job, and the signal is told', async () => {
    // as the kernel does where a whole node is short of memory
    const plan = await aStagedJob(host, bed, { script: 'kill -9 $PPID' });
    const { remoteJobId } = await host.run(slurm.launch(plan, INSTALLATION));
    const state = await over(host, plan, remoteJobId);
    expect(state).toMatchObject({ is: 'over', signal: 'SIGKILL', condition: 'SCHEDULER_TERMINATED' });
  }, 120_000);

  it('a node that is lost is named; the job is not started again', async () => {
    const plan = await aStagedJob(host, bed, { script: 'sleep 300' });
    const { remoteJobId } = await host.run(slurm.launch(plan, INSTALLATION));
    await expect
      .poll(async () => (await host.run(slurm.settle(plan, remoteJobId, INSTALLATION))).is, {
        timeout: 60_000,
      })
      .toBe('running');
    control('kill', 'hpc-slurm:slurmd');
    try {
      insideCluster('scontrol', 'update', `nodename=${bed.slurm.node}`, 'state=down', 'reason=lost');
      const state = await over(host, plan, remoteJobId, 100);
      expect(state).toMatchObject({ word: 'NODE_FAIL', condition: 'SCHEDULER_TERMINATED' });
    } finally {
      control('start', 'hpc-slurm:slurmd');
      // a node that came back by itself need not be resumed
      insideCluster(
        'sh',
        '-c',
        `scontrol update nodename=${bed.slurm.node} state=resume 2> /dev/null || true`,
      );
    }
    const again = await aStagedJob(host, bed, { script: 'true' });
    const { remoteJobId: id } = await host.run(slurm.launch(again, INSTALLATION));
    expect(await over(host, again, id, 100)).toMatchObject({ exitCode: 0 });
  }, 300_000);

  it.each([
    ['prints', 'echo "Welcome to the cluster"; echo "maintenance on Monday" >&2'],
    ['is no shell text', 'if then fi )('],
  ])(
    'a .bashrc that %s changes nothing',
    async (_words, text) => {
      const file = join(bed.users['bob']?.homeOnThisMachine ?? '', '.bashrc');
      writeFileSync(file, `${text}\n`, { mode: 0o644 });
      const bobs = await aLoginNode(bed, 'bob');
      try {
        const plan = await aStagedJob(bobs.host, bed, { script: 'echo hello', user: 'bob' });
        const { remoteJobId } = await bobs.host.run(slurm.launch(plan, INSTALLATION));
        expect(await over(bobs.host, plan, remoteJobId)).toMatchObject({ exitCode: 0 });
        expect(await bobs.host.run(slurm.snapshot(INSTALLATION))).toHaveProperty([plan.uuid]);
      } finally {
        bobs.hosts.close();
        rmSync(file, { force: true });
      }
    },
    120_000,
  );

  it('a .bashrc that ends with 1 blocks, with what is to be done about it, until it is mended', async () => {
    const file = join(bed.users['bob']?.homeOnThisMachine ?? '', '.bashrc');
    writeFileSync(file, 'exit 1\n', { mode: 0o644 });
    const bobs = await aLoginNode(bed, 'bob');
    try {
      await expect(bobs.host.run(slurm.snapshot(INSTALLATION))).rejects.toMatchObject({
        code: 'HOST_LOGIN_REFUSED',
        message: expect.stringMatching(/ends with 1 .*\.bashrc/) as string,
      });
      rmSync(file);
      expect(await bobs.host.run(slurm.snapshot(INSTALLATION))).toBeTypeOf('object');
    } finally {
      bobs.hosts.close();
      rmSync(file, { force: true });
    }
  }, 60_000);

  it('no second Slurm job comes of a lost reply where squeue answers from a cache', async () => {
    for (const word of ['stale', 'empty']) {
      const plan = await aStagedJob(host, bed, { script: 'sleep 1' });
      control('shim', 'squeue', word);
      try {
        await host.run(slurm.snapshot(INSTALLATION));
        // the cache of the very question of the launch is filled before the job is there
        await host.run({ line: "squeue --me --states=all --noheader --format='%A %k'", parse: () => null });
        control('shim', '--times', '1', 'sbatch', 'rubbish');
        const { remoteJobId, adopted } = await host.run(slurm.launch(plan, INSTALLATION));
        expect(adopted).toBe(true);
        expect(await over(host, plan, remoteJobId)).toMatchObject({ exitCode: 0 });
        const all = await host.run({
          line: `scontrol show job -o | grep -c 'Comment=kilim:${INSTALLATION}:${plan.uuid}'`,
          parse: ({ stdout }) => Number(stdout),
        });
        expect(all).toBe(1);
      } finally {
        control('shim', 'off');
      }
    }
  }, 180_000);

  it('a reservation is used', async () => {
    const name = `kilim${process.pid}`;
    insideCluster('scontrol', 'create', 'reservation', `reservationname=${name}`, 'users=alice', 'starttime=now', 'duration=10', `nodes=${bed.slurm.node}`, 'flags=ignore_jobs,overlap'); // prettier-ignore
    try {
      const option = {
        name: null,
        description: null,
        include: null,
        arg: `--reservation=${name}`,
        notes: null,
      };
      const plan = await aStagedJob(host, bed, { script: 'true', schedulerOptions: [option] });
      const { remoteJobId } = await host.run(slurm.launch(plan, INSTALLATION));
      expect(insideCluster('scontrol', 'show', 'job', '-o', remoteJobId)).toContain(`Reservation=${name}`);
      expect(await over(host, plan, remoteJobId)).toMatchObject({ exitCode: 0 });
    } finally {
      insideCluster('scontrol', 'delete', `reservationname=${name}`);
    }
  }, 120_000);
});
