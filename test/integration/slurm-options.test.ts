import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { insideCluster } from '../support/cluster-host.js';
import { aKilim, type Kilim } from '../support/kilim.js';
import { cluster, type Cluster } from '../support/testbed.js';

/* What a request asks of Slurm, as Slurm and the application see it. */

const bed = cluster('hpc-slurm') as Cluster;
/** The `module` of the test bed is silent about what it has; the job goes on. */
const LOADED = 'The following module(s) are unknown: "nosuch"';
const PROFILE_FILE = '/etc/profile.d/kilim-site.sh';
/** What accounts export for their own work: for sbatch such variables win over the lines of a script. */
const EXPORTED = [
  'SBATCH_TIMELIMIT=1', 'SBATCH_PARTITION=closed', 'SBATCH_OUTPUT=/tmp/lost', 'SBATCH_REQUEUE=1', 'SBATCH_ARRAY_INX=1-2',
  'SQUEUE_PARTITION=closed', 'SCANCEL_STATE=PENDING', 'SLURM_TIME_FORMAT=relative', 'SBATCH_WCKEY=of-the-site',
].map((one) => `export ${one}\n`).join(''); // prettier-ignore

describe.runIf(cluster('hpc-slurm'))('a BATCH job through the API', () => {
  let kilim: Kilim;
  const alice = bed?.users['alice'];
  const mpi = join(alice?.homeOnThisMachine ?? '/nonexistent', 'fake-mpirun');

  const startUpFile = join(alice?.homeOnThisMachine ?? '/nonexistent', '.bashrc');
  beforeAll(async () => {
    writeFileSync(startUpFile, EXPORTED); // alice has none
    kilim = await aKilim();
    // what sites have: variables that only a login shell knows
    insideCluster('bash', '-c', `printf '%s\\n' 'export KILIM_WORK=/home/alice/work-of-the-site' > ${PROFILE_FILE}`); // prettier-ignore
    writeFileSync(mpi, '#!/bin/sh\necho "mpi $1 $2"; shift 2; exec "$@"\n', { mode: 0o755 });
    const profile = {
      name: 'tacc',
      moduleLoads: [{ moduleLoadCommand: 'module load', modulesToLoad: ['tacc-singularity', 'nosuch'] }],
      hiddenOptions: ['MEM'],
    };
    const site = {
      id: 'site', systemType: 'LINUX', host: '127.0.0.1', port: bed.port, defaultAuthnMethod: 'PKI_KEYS', effectiveUserId: 'alice', rootDir: '/',
      canExec: true, jobWorkingDir: 'HOST_EVAL($KILIM_WORK)', jobRuntimes: [{ runtimeType: 'ZIP' }, { runtimeType: 'SINGULARITY' }], canRunBatch: true,
      batchScheduler: 'SLURM', batchLogicalQueues: [{ name: 'q', hpcQueueName: 'normal', maxMinutes: 60 }], batchDefaultLogicalQueue: 'q',
      batchSchedulerProfile: 'tacc', enableCmdPrefix: true, mpiCmd: '/home/alice/fake-mpirun -n 2',
      authnCredential: { privateKey: readFileSync(alice?.privateKeyFile ?? '', 'utf8') },
    }; // prettier-ignore
    for (const [path, body] of [['schedulerProfile', profile], ['', site]] as const) {
      const { status, message } = await kilim.call('POST', `/v3/systems/${path}`, body);
      if (status >= 300) throw new Error(message);
    } // prettier-ignore
  });
  afterAll(async () => {
    await kilim.stop();
    rmSync(startUpFile, { force: true });
    insideCluster('rm', '-f', PROFILE_FILE);
    rmSync(mpi, { force: true });
  });

  interface Seen {
    uuid: string;
    output: string;
    slurm: string;
  }

  /** Runs a job that tells its Slurm job on its first line. */
  async function run(system: string, more: Record<string, unknown> = {}): Promise<Seen> {
    const {
      schedulerOptions = [],
      appId = 'zip-alice',
      ...rest
    } = more as { schedulerOptions?: string[]; appId?: string };
    const uuid = await kilim.submit({
      appId, execSystemId: system, jobType: 'BATCH', ...rest,
      parameterSet: {
        appArgs: appId === 'zip-alice' ? [{ arg: `'eval "$SCRIPT"'` }] : [{ arg: 'sh' }, { arg: '-c' }, { arg: `'eval "$SCRIPT"'` }],
        schedulerOptions: schedulerOptions.map((arg) => ({ arg })),
        envVariables: [{ key: 'SCRIPT', value: 'echo "$SLURM_JOB_ID prefix=$PREFIX dir=$PWD key=$SBATCH_WCKEY"' }],
      },
    }); // prettier-ignore
    await kilim.until(uuid, 'FINISHED', 110);
    const output = await kilim.output(uuid);
    const id = /^(\d+) prefix=/m.exec(output)?.[1] ?? '';
    return { uuid, output, slurm: insideCluster('scontrol', 'show', 'job', '-o', id) };
  }

  it('gets the nodes, cores, memory, minutes, queue and options that were asked for', async () => {
    const { uuid, output, slurm } = await run('slurm', {
      nodeCount: 1, coresPerNode: 3, memoryMB: 700, maxMinutes: 7,
      schedulerOptions: ['--account science', '-J my-name', '--nice=5', '--comment=words'],
    }); // prettier-ignore
    for (const word of [
      'NumNodes=1',
      'NumTasks=3',
      'TimeLimit=00:07:00',
      'Partition=normal',
      'Account=science',
      'Nice=5',
      'Requeue=0',
      'JobName=my-name',
    ])
      expect(slurm).toContain(word);
    expect(output).toContain('key=of-the-site'); // what the account exports did come in
    expect(slurm).toMatch(/MinMemoryNode=700M/);
    expect(slurm).toMatch(new RegExp(`Comment=kilim:\\w+:${uuid} words`));
  }, 120_000);

  it('uses a profile: modules are loaded, hidden options are not passed', async () => {
    const { output, slurm } = await run('slurm', {
      memoryMB: 700,
      schedulerOptions: ['--tapis-profile tacc'],
    });
    expect(output).toContain(LOADED);
    expect(slurm).toContain('MinMemoryNode=1000M'); // the cluster's default
  }, 120_000);

  it("uses the system's profile, and a working directory that only the host knows", async () => {
    const { uuid, output, slurm } = await run('site', { memoryMB: 700 });
    expect(output).toContain(LOADED);
    expect(slurm).toContain('MinMemoryNode=1000M');
    expect(output).toContain(`dir=/home/alice/work-of-the-site/jobs/${uuid}`);
    expect(slurm).toContain(`WorkDir=/home/alice/work-of-the-site/jobs/${uuid}`);
  }, 120_000);

  it('takes directories of a request from the host, too', async () => {
    const { uuid, output } = await run('site', {
      execSystemExecDir: 'HOST_EVAL($KILIM_WORK)/own/${JobUUID}',
    });
    expect(output).toContain(`dir=/home/alice/work-of-the-site/own/${uuid}`);
  }, 120_000);

  it.each(['zip-alice', 'singularity-app'])(
    'starts %s by mpiCmd where it is an MPI job',
    async (appId) => {
      expect((await run('site', { appId, isMpi: true })).output).toMatch(/^mpi -n 2\n\d+ prefix=/m);
      const own = { appId, isMpi: true, mpiCmd: '/home/alice/fake-mpirun -np 3' };
      expect((await run('site', own)).output).toMatch(/^mpi -np 3\n\d+ prefix=/m);
    },
    240_000,
  );

  it('hands a warning on to the application, by --signal', async () => {
    const uuid = await kilim.submit({
      appId: 'zip-alice', execSystemId: 'slurm', jobType: 'BATCH',
      parameterSet: {
        appArgs: [{ arg: `'eval "$SCRIPT"'` }],
        schedulerOptions: [{ arg: '--signal=B:USR1@60' }],
        envVariables: [{ key: 'SCRIPT', value: 'trap "echo saved; exit 6" USR1; echo "$SLURM_JOB_ID"; for i in $(seq 600); do sleep 0.1; done' }],
      },
    }); // prettier-ignore
    const { remoteJobId } = await kilim.until(uuid, 'RUNNING', 60);
    const log = join(alice?.homeOnThisMachine ?? '', `workdir/jobs/${uuid}/output/tapisjob.out`);
    await expect.poll(() => readFileSync(log, 'utf8'), { timeout: 10_000 }).toContain(String(remoteJobId));
    insideCluster('scancel', '--batch', '--signal=USR1', String(remoteJobId)); // as Slurm does at its time
    const job = await kilim.until(uuid, 'FAILED', 60);
    expect(job).toMatchObject({ condition: 'SCHEDULER_TERMINATED', remoteResultInfo: '6:0' });
    expect(job.lastMessage).toContain('saved');
  }, 120_000);

  it('puts the command prefix in front', async () => {
    expect((await run('site', { cmdPrefix: 'PREFIX=yes' })).output).toContain('prefix=yes');
    const refused = await kilim.call('POST', '/v3/jobs/submit', {
      name: 'x', appId: 'zip-alice', appVersion: '1', execSystemId: 'slurm', jobType: 'BATCH', cmdPrefix: 'PREFIX=yes',
    }); // prettier-ignore
    expect(refused).toMatchObject({
      status: 400,
      message: expect.stringContaining('enableCmdPrefix') as string,
    });
  }, 120_000);

  it('is refused as an array: one job is one run', async () => {
    const { status, message } = await kilim.call('POST', '/v3/jobs/submit', {
      name: 'x', appId: 'zip-alice', appVersion: '1', execSystemId: 'slurm', jobType: 'BATCH',
      parameterSet: { schedulerOptions: [{ arg: '--array=1-3' }] },
    }); // prettier-ignore
    expect([status, message]).toEqual([400, expect.stringContaining('submit one job for each of them')]);
  });
});
