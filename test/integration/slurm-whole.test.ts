import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';

import { control, inside, insideCluster } from '../support/cluster-host.js';
import { aKilim, HELD, letGo, startsOf, type Kilim } from '../support/kilim.js';
import { cluster } from '../support/testbed.js';

/*
 * A whole Kilim, while Slurm lies or is away. What is done to sbatch, squeue and sacct befalls one cluster, one test after
 * the other; meanwhile the other cluster is without its slurmctld for two minutes.
 */

const BEDS = { 'hpc-slurm': cluster('hpc-slurm'), 'hpc-noacct': cluster('hpc-noacct') };
type Name = keyof typeof BEDS;

const AWAY_MS = 130_000;
/** The node has 256,000: not enough for two of these. */
const MORE_THAN_HALF = 200_000;

/** Beside the other cluster's test, not beside one another. */
const ONE_BY_ONE = { concurrent: false, timeout: 180_000 };

interface Submitted {
  uuid: string;
  on: Name;
  /** The job's directory, as this machine sees it. */
  folder: string;
}

describe.concurrent('a whole Kilim', () => {
  let kilim: Kilim;
  const submitted: string[] = [];
  beforeAll(async () => {
    kilim = await aKilim();
  });
  afterAll(async () => {
    try {
      // of a test that failed: what it holds would keep others waiting; who is over refuses
      await Promise.all(submitted.map((uuid) => kilim.call('POST', `/v3/jobs/${uuid}/cancel`)));
      const statusOf = async (uuid: string) => (await kilim.call('GET', `/v3/jobs/${uuid}/status`)).result;
      for (const uuid of submitted)
        await vi.waitFor(
          async () => expect(await statusOf(uuid)).toMatchObject({ condition: expect.any(String) as string }),
          { timeout: 60_000, interval: 300 },
        );
    } finally {
      await kilim.stop();
    }
  });

  const submit = async (
    script: string,
    { on = 'hpc-slurm', user = 'alice', ...more }: { on?: Name; user?: string; memoryMB?: number } = {},
  ): Promise<Submitted> => {
    const system = on === 'hpc-slurm' ? 'slurm' : 'noacct';
    const uuid = await kilim.submit({
      appId: `zip-${user}`,
      execSystemId: user === 'alice' ? system : `${system}-${user}`,
      jobType: 'BATCH',
      ...more,
      parameterSet: {
        appArgs: [{ arg: `'eval "$SCRIPT"'` }],
        envVariables: [{ key: 'SCRIPT', value: script }],
      },
    });
    submitted.push(uuid);
    return { uuid, on, folder: `${BEDS[on]?.users[user]?.homeOnThisMachine ?? ''}/workdir/jobs/${uuid}` };
  };
  const running = async (...asked: Parameters<typeof submit>): Promise<Submitted> => {
    const job = await submit(...asked);
    await kilim.until(job.uuid, 'RUNNING', 60);
    return job;
  };
  const explained = async ({ uuid }: Submitted): Promise<string> =>
    JSON.stringify((await kilim.call('GET', `/v3/jobs/${uuid}/explain`)).result);

  /** It ends with its true code, is one Slurm job and was started once. */
  const expectEnd = async ({ uuid, on, folder }: Submitted, code: number): Promise<void> => {
    const job = await kilim.until(uuid, code === 0 ? 'FINISHED' : 'FAILED', 100);
    expect([uuid, job.remoteResultInfo]).toEqual([uuid, `${code}:0`]);
    expect(job.condition).toBe(code === 0 ? 'NORMAL_COMPLETION' : 'SCHEDULER_TERMINATED');
    const ids = inside(on, '/usr/bin/squeue', '--states=all', '--noheader', '--format=%A %k')
      .split('\n')
      .filter((line) => line.includes(uuid))
      .map((line) => line.split(' ')[0]);
    expect([uuid, ids]).toEqual([uuid, [job.remoteJobId]]);
    expect([uuid, startsOf(folder, uuid)]).toEqual([uuid, 1]);
  };

  describe.runIf(BEDS['hpc-slurm'])('on a cluster that lies', () => {
    afterEach(() => control('shim', 'off'));

    it.each([
      ['says that it failed', ['submit-then-exit-1']],
      ['prints rubbish', ['rubbish']],
      ['takes the connection with it', ['lose-reply']],
      ['hangs', ['submit-then-hang', '40']],
    ])(
      'three jobs whose sbatch submits and %s are three Slurm jobs, started once each',
      ONE_BY_ONE,
      async (_words, fault) => {
        // a hang is waited for as long as it may take: on connections of their own they hang together
        const users = fault.length > 1 ? ['alice', 'carol', 'dave'] : ['alice', 'alice', 'alice'];
        control('shim', '--times', '3', 'sbatch', ...fault);
        const codes = [0, 7, 0];
        const jobs = await Promise.all(users.map((user, n) => submit(`exit ${codes[n]}`, { user })));
        for (const [n, job] of jobs.entries()) await expectEnd(job, codes[n] ?? 0);
        const blocked = await Promise.all(jobs.map(async ({ uuid }) => (await kilim.get(uuid)).blockedCount));
        // all others are settled by the very script that launches
        expect(blocked.some((times) => times > 0)).toBe(fault[0] === 'lose-reply');
      },
    );

    it(
      'three jobs of which nobody can know are BLOCKED, say so, and are adopted by themselves when squeue answers',
      ONE_BY_ONE,
      async () => {
        control('shim', '--times', '3', 'sbatch', 'submit-then-exit-1');
        control('shim', 'squeue', 'fail');
        const jobs = await Promise.all([0, 7, 0].map((code) => submit(`exit ${code}`)));
        for (const job of jobs) {
          const { lastMessage } = await kilim.until(job.uuid, 'BLOCKED', 60);
          expect(lastMessage).toMatch(/Slurm gave no clear answer: .*connect failure.*never twice/s);
          expect(await explained(job)).toMatch(/Slurm gave no clear answer.*never twice/s);
        }
        control('shim', 'squeue', 'off');
        for (const [n, job] of jobs.entries()) await expectEnd(job, n === 1 ? 7 : 0);
      },
    );

    it.each([
      ['says nothing', 'empty'],
      ['answers from a cache', 'stale'],
      ['is slow', 'slow', '25'],
      ['fails', 'fail'],
    ])(
      'while squeue %s, a start and an end are told within 3 s, none is called lost, and the codes are true',
      ONE_BY_ONE,
      async (_words, ...lie) => {
        const old = await running(`${HELD}; exit 7`);
        control('shim', 'squeue', ...lie);
        await breakChannel(old.uuid);
        const fresh = await running(`${HELD}; echo done`);
        await breakChannel(old.uuid);
        letGo(fresh.folder);
        letGo(old.folder);
        await expectEnd(fresh, 0);
        await expectEnd(old, 7);
        expect(await kilim.output(fresh.uuid)).toBe('done\n');
        const { remoteStarted, remoteEnded } = await kilim.get(fresh.uuid);
        // this machine's clock, too
        const [, begin, end] = readFileSync(`${fresh.folder}/.kilim/${fresh.uuid}/exit`, 'utf8').split(' ');
        expect(Date.parse(remoteStarted ?? '') - Number(begin)).toBeLessThan(3_000);
        expect(Date.parse(remoteEnded ?? '') - Number(end)).toBeLessThan(3_000);
      },
    );

    it(
      'without accounting, a job that its owner cancels in Slurm is SCHEDULER_CANCELLED',
      ONE_BY_ONE,
      async () => {
        for (const fault of ['disabled', 'fail']) {
          const job = await running('sleep 600');
          control('shim', 'sacct', fault);
          const { remoteJobId } = await kilim.get(job.uuid);
          insideCluster('runuser', '-u', 'alice', '--', 'scancel', remoteJobId ?? '');
          const { condition, lastMessage } = await kilim.until(job.uuid, 'FAILED', 100);
          expect([fault, condition]).toEqual([fault, 'SCHEDULER_CANCELLED']);
          expect(lastMessage).toContain('CANCELLED');
        }
      },
    );
  });

  it.runIf(BEDS['hpc-noacct'])(
    'a slurmctld that is away for two minutes: what runs, what waits and what is submitted meanwhile is one Slurm job each, with its true code',
    async () => {
      const on = 'hpc-noacct';
      const bad = await running(`${HELD}; exit 7`, { on, memoryMB: MORE_THAN_HALF });
      const good = await running(`${HELD}; echo done`, { on });
      const waiting = await submit('true', { on, memoryMB: MORE_THAN_HALF });
      await kilim.until(waiting.uuid, 'QUEUED', 60);
      const statuses = async (...jobs: Submitted[]): Promise<string[]> =>
        Promise.all(jobs.map(async ({ uuid }) => (await kilim.get(uuid)).status));
      control('stop', `${on}:slurmctld`);
      const until = Date.now() + AWAY_MS;
      let late: Submitted;
      try {
        late = await submit('true', { on });
        const { lastMessage } = await kilim.until(late.uuid, 'BLOCKED', 90);
        expect(lastMessage).toMatch(/Slurm gave no clear answer: .*Unable to contact.*never twice/s);
        expect(await explained(late)).toMatch(
          /Slurm gave no clear answer: .*Unable to contact.*never twice/s,
        );
        letGo(bad.folder);
        letGo(good.folder);
        await kilim.until(good.uuid, 'FINISHED', 30); // an end with 0 needs nobody else
        for (; Date.now() < until; await sleep(1_000))
          expect(await statuses(bad, waiting, late)).toEqual(['RUNNING', 'QUEUED', 'BLOCKED']);
      } finally {
        control('start', `${on}:slurmctld`);
      }
      for (const job of [good, waiting, late]) await expectEnd(job, 0);
      await expectEnd(bad, 7);
    },
    400_000,
  );
});

/** Ends what follows the event logs for a job's Kilim, and waits for the next: the watcher looks when one breaks and when one stands. */
async function breakChannel(uuid: string): Promise<void> {
  const comment = insideCluster('/usr/bin/squeue', '--noheader', '--format=%k');
  const installation = new RegExp(`kilim:(\\S+):${uuid}`).exec(comment)?.[1] ?? '';
  const followers = (): string[] =>
    insideCluster(
      'bash',
      '-c',
      `for p in $(pgrep -x tail); do [ "$(readlink /proc/$p/cwd)" = /home/alice/.kilim/${installation}/events ] && echo $p; done; true`,
    ).split('\n').filter(Boolean); // prettier-ignore
  const before = followers();
  expect(before).toHaveLength(1);
  insideCluster('kill', '-KILL', ...before);
  await vi.waitFor(() => expect(followers().filter((pid) => !before.includes(pid))).toHaveLength(1), {
    timeout: 30_000,
    interval: 200,
  });
}
