import { readFileSync, writeFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';

import { insideCluster } from '../support/cluster-host.js';
import { aKilim, cancelAll, HELD, letGo, type JobRecord, type Kilim } from '../support/kilim.js';
import { cluster, type Cluster } from '../support/testbed.js';

/* What may pass on a cluster blocks a job, says why, and lets it go on in the end; it never fails it. */

const bed = cluster('hpc-slurm') as Cluster;

describe.runIf(cluster('hpc-slurm'))('a BATCH job waits in BLOCKED', { concurrent: true }, () => {
  let kilim: Kilim;
  beforeAll(async () => {
    kilim = await aKilim();
    const image = { runtime: 'ZIP', containerImage: '/home/alice/kilim-shell.tar' };
    await call('POST', '/v3/apps', { id: 'zip-one', version: '1', ...image, maxJobs: 1 });
    await call('POST', '/v3/apps', { id: 'zip-one-each', version: '1', ...image, maxJobsPerUser: 1 });
    await call('POST', '/v3/systems', {
      id: 'few-each', systemType: 'LINUX', host: '127.0.0.1', port: bed.port, defaultAuthnMethod: 'PKI_KEYS', effectiveUserId: 'alice',
      rootDir: '/home/alice', canExec: true, jobWorkingDir: 'workdir', jobRuntimes: [{ runtimeType: 'ZIP' }], canRunBatch: true,
      batchScheduler: 'SLURM', batchLogicalQueues: [{ name: 'normal', hpcQueueName: 'normal', maxMinutes: 60 }],
      batchDefaultLogicalQueue: 'normal', jobMaxJobsPerUser: 1,
      authnCredential: { privateKey: readFileSync(bed.users['alice']?.privateKeyFile ?? '', 'utf8') },
    }); // prettier-ignore
  });
  afterAll(() => cancelAll(kilim).finally(kilim.stop));

  const call = async (method: string, path: string, body?: unknown): Promise<unknown> => {
    const { status, message, result } = await kilim.call(method, path, body);
    if (status >= 300) throw new Error(message);
    return result;
  };
  const homeOf = (user: string): string => bed.users[user]?.homeOnThisMachine ?? '/nonexistent';
  const submit = (script: string, user = 'alice', more: Record<string, unknown> = {}): Promise<string> =>
    kilim.submit({
      appId: `zip-${user}`, execSystemId: user === 'alice' ? 'slurm' : `slurm-${user}`, jobType: 'BATCH', ...more,
      parameterSet: {
        appArgs: [{ arg: `'eval "$SCRIPT"'` }],
        envVariables: [{ key: 'SCRIPT', value: script }],
      },
    }); // prettier-ignore
  const goOn = (uuid: string, user = 'alice'): void => letGo(join(homeOf(user), 'workdir/jobs', uuid));
  const resume = (uuid: string): Promise<unknown> => call('POST', `/v3/jobs/${uuid}/resume`);
  /** A job that waits, whose cause was looked at once more, and whose `explain` gives the same reason. */
  const blocked = async (uuid: string): Promise<JobRecord> => {
    await kilim.until(uuid, 'BLOCKED', 110);
    return vi.waitFor(
      async () => {
        const [job, told] = [await kilim.get(uuid), await call('GET', `/v3/jobs/${uuid}/explain`)];
        expect(told).toMatchObject({
          status: 'BLOCKED',
          evidence: expect.arrayContaining([job.lastMessage]) as string[],
          next: expect.stringContaining('looked at again at') as string,
        });
        return job;
      },
      { timeout: 60_000, interval: 100 },
    );
  };

  it('where Slurm takes no more jobs of its user, and goes on by itself when it does', async () => {
    const mayHave = (jobs: number): string =>
      insideCluster(
        'sacctmgr',
        '-i',
        'modify',
        'user',
        'where',
        'name=carol',
        'set',
        `maxsubmitjobs=${jobs}`,
      );
    mayHave(1);
    try {
      const first = await submit(HELD, 'carol');
      await kilim.until(first, 'RUNNING', 110);
      const second = await submit('echo taken', 'carol');
      const { lastMessage } = await blocked(second);
      expect(lastMessage).toMatch(/^Slurm takes no more jobs now: .*AssocMaxSubmitJobLimit/s);
      expect(lastMessage).toContain('Kilim asks it again by itself, and submits a job once, never twice.');
      goOn(first, 'carol');
      await kilim.until(first, 'FINISHED', 110);
      expect((await kilim.until(second, 'FINISHED', 110)).blockedCount).toBe(1);
      expect(await kilim.output(second)).toBe('taken\n');
    } finally {
      mayHave(-1);
    }
  }, 300_000);

  it('while a start-up file of its account ends every shell, at the first step as at the last', async () => {
    const file = join(homeOf('bob'), '.bashrc');
    const spoil = (): void => writeFileSync(file, 'exit 1\n', { mode: 0o644 });
    const says =
      /ends with 1 before it runs a command: a start-up file of the account \(\.bashrc.*Mend what it names/s;
    try {
      spoil();
      const uuid = await submit(`${HELD}; echo mended`, 'bob', { archiveSystemId: 'slurm' });
      expect((await blocked(uuid)).lastMessage).toMatch(says);
      rmSync(file);
      await resume(uuid);
      await kilim.until(uuid, 'RUNNING', 110);
      spoil(); // the shells that are open live on; what sends the outputs is a new one
      goOn(uuid, 'bob');
      const job = await blocked(uuid);
      expect(job.remoteOutcome).toBe('FINISHED');
      expect(job.lastMessage).toMatch(says);
      rmSync(file);
      await resume(uuid);
      // it was not tried in vain meanwhile
      expect((await kilim.until(uuid, 'FINISHED', 110)).blockedCount).toBe(2);
      expect(await kilim.output(uuid)).toBe('mended\n');
    } finally {
      rmSync(file, { force: true });
    }
  }, 300_000);

  it('where the home has no room for what Kilim writes there, and goes on when there is some', async () => {
    const [folder, id] = ['/home/dave/.kilim', insideCluster('id', '-u', 'dave').trim()];
    insideCluster('sh', '-c', `umount ${folder} 2> /dev/null; install -d -o dave -g dave ${folder}`);
    // room for the folder itself
    insideCluster('mount', '-t', 'tmpfs', '-o', `nr_inodes=1,mode=755,uid=${id},gid=${id}`, 'tmpfs', folder);
    try {
      const uuid = await submit('echo room', 'dave');
      expect((await blocked(uuid)).lastMessage).toMatch(/No space left on device.*Free space on the host/s);
      insideCluster('mount', '-o', 'remount,nr_inodes=1000', folder);
      await resume(uuid);
      expect((await kilim.until(uuid, 'FINISHED', 110)).blockedCount).toBe(1);
      expect(await kilim.output(uuid)).toBe('room\n');
    } finally {
      insideCluster('umount', '-l', folder);
    }
  }, 300_000);

  it.each<[string, Record<string, unknown>]>([
    ['queue one of system dev/slurm', { execSystemLogicalQueue: 'one' }],
    ['queue one-each of system dev/slurm of alice', { execSystemLogicalQueue: 'one-each' }],
    ['system dev/few-each of alice', { execSystemId: 'few-each' }],
    ['application dev/zip-one', { appId: 'zip-one' }],
    ['application dev/zip-one-each of alice', { appId: 'zip-one-each' }],
  ])(
    'while the limit for the %s is reached, and starts when the other one has ended',
    async (what, request) => {
      const both = await Promise.all([1, 2].map(() => submit(HELD, 'alice', request)));
      const [running = '', waiting = ''] = await vi.waitFor(
        async () => {
          const jobs = await Promise.all(both.map(kilim.get));
          jobs.sort((one, other) => (one.status < other.status ? 1 : -1));
          expect(jobs.map(({ status }) => status)).toEqual(['RUNNING', 'BLOCKED']);
          return jobs.map(({ uuid }) => uuid);
        },
        { timeout: 110_000, interval: 200 },
      );
      expect((await blocked(waiting)).lastMessage).toBe(
        `The limit of 1 active job for ${what} is reached. The job starts when another one ends.`,
      );
      goOn(running);
      const first = (await kilim.until(running, 'FINISHED', 110)) as JobRecord & { remoteEnded: string };
      await kilim.until(waiting, 'RUNNING', 110);
      goOn(waiting);
      const second = (await kilim.until(waiting, 'FINISHED', 110)) as JobRecord & { remoteStarted: string };
      expect(Date.parse(second.remoteStarted)).toBeGreaterThanOrEqual(Date.parse(first.remoteEnded));
    },
    300_000,
  );
});
