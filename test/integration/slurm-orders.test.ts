import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';

import type { Host } from '../../hosts/host.js';
import { aLoginNode, control, inside, insideCluster, queueOf } from '../support/cluster-host.js';
import { CLUSTERS } from '../support/clusters.js';
import { aKilim, letGo, processesOf, type JobRecord, type Kilim } from '../support/kilim.js';
import { cluster } from '../support/testbed.js';

/* Pause, resume and cancel as Slurm's own queue has them, not as Kilim tells of them. */

const BEDS = Object.entries(CLUSTERS).flatMap(([system, name]) => {
  const bed = cluster(name);
  return bed ? [{ system, name, bed }] : [];
});
/** Counts in a file until it is let go. */
const COUNTS = 'i=0; until [ -e go ]; do i=$((i+1)); echo $i > count; sleep 0.2; done; echo done';
const LATER = ['--begin=now+1hour'];
const AT_ONCE = { concurrent: true, timeout: 240_000 };

let kilim: Kilim;
const hosts = new Map<string, Host>();
const closing: (() => void)[] = [];
beforeAll(async () => {
  if (BEDS.length === 0) return;
  for (const { system, bed } of BEDS)
    for (const [id, user] of [[system, 'alice'], [`${system}-dave`, 'dave']] as const) {
      const node = await aLoginNode(bed, user);
      hosts.set(id, node.host);
      closing.push(() => node.hosts.close());
    } // prettier-ignore
  kilim = await aKilim();
});
afterAll(async () => {
  for (const close of closing) close();
  if (BEDS.length > 0) await kilim.stop();
});

const userOf = (system: string): string => system.split('-')[1] ?? 'alice';
const submit = (
  system: string,
  script: string,
  { options = [], ...more }: { options?: string[] } & Record<string, unknown> = {},
): Promise<string> =>
  kilim.submit({
    appId: `zip-${userOf(system)}`, execSystemId: system, jobType: 'BATCH', ...more,
    parameterSet: {
      appArgs: [{ arg: `'eval "$SCRIPT"'` }], envVariables: [{ key: 'SCRIPT', value: script }],
      schedulerOptions: options.map((arg) => ({ arg })),
    },
  }); // prettier-ignore
const order = (uuid: string, word: 'pause' | 'resume' | 'cancel'): Promise<unknown> =>
  kilim.call('POST', `/v3/jobs/${uuid}/${word}`);
const inQueue = (system: string, uuid: string): Promise<string[]> => queueOf(hosts.get(system) as Host, uuid);
/** Of the job's record. */
const remoteId = async (uuid: string): Promise<string> =>
  ((await kilim.get(uuid)) as JobRecord & { remoteJobId?: string }).remoteJobId ?? '';
const explained = async (uuid: string): Promise<{ explanation: string; evidence: string }> => {
  const { result } = await kilim.call('GET', `/v3/jobs/${uuid}/explain`);
  const { explanation, evidence } = result as { explanation: string; evidence: string[] };
  return { explanation, evidence: evidence.join('\n') };
};
/** The job's directory as this machine sees it. */
const dirOf = (system: string, uuid: string): string => {
  const bed = BEDS.find((each) => system.startsWith(each.system))?.bed;
  return join(bed?.users[userOf(system)]?.homeOnThisMachine ?? '', 'workdir/jobs', uuid);
};
const countOf = (system: string, uuid: string): number =>
  Number(readFileSync(join(dirOf(system, uuid), 'count'), 'utf8'));
const counting = (system: string, uuid: string, beyond = 0): Promise<void> =>
  vi.waitFor(() => expect(countOf(system, uuid)).toBeGreaterThan(beyond), 20_000);
const statusesOf = async (uuid: string): Promise<string[]> =>
  ((await kilim.call('GET', `/v3/jobs/${uuid}/history?limit=-1`)).result as { event: string; eventDetail: string }[])
    .flatMap(({ event, eventDetail }) => (event === 'JOB_NEW_STATUS' ? [eventDetail] : [])); // prettier-ignore

describe.runIf(BEDS.length > 0)('a pause', AT_ONCE, () => {
  it.each(BEDS)(
    'holds what waits in the queue, and a resume lets it run: $name',
    async ({ system, name }) => {
      const uuid = await submit(system, 'echo ran', { options: LATER });
      await kilim.until(uuid, 'QUEUED', 60);
      const id = await remoteId(uuid);
      await order(uuid, 'pause');
      const says = `Paused by alice; Slurm job ${id} held in the queue (scontrol hold).`;
      expect((await kilim.until(uuid, 'PAUSED', 60)).lastMessage).toBe(says);
      expect((await explained(uuid)).explanation).toBe(says);
      expect(await inQueue(system, uuid)).toEqual(['PENDING JobHeldUser']);
      // from now on nothing else keeps it
      inside(name, 'scontrol', 'update', `jobid=${id}`, 'starttime=now');
      expect(await inQueue(system, uuid)).toEqual(['PENDING JobHeldUser']);
      await order(uuid, 'resume');
      await kilim.until(uuid, 'FINISHED', 60);
      expect(await kilim.output(uuid)).toBe('ran\n');
    },
  );

  it.each(BEDS)('may end in a cancel, and the queue is empty: $name', async ({ system }) => {
    const uuid = await submit(system, 'echo never', { options: LATER });
    await kilim.until(uuid, 'QUEUED', 60);
    await order(uuid, 'pause');
    await kilim.until(uuid, 'PAUSED', 60);
    expect(await inQueue(system, uuid)).toEqual(['PENDING JobHeldUser']);
    await order(uuid, 'cancel');
    await kilim.until(uuid, 'CANCELLED', 90);
    expect(await inQueue(system, uuid)).toEqual([]);
  });

  it.each(BEDS)(
    'of what runs, by a plain user, says that only the steps of Kilim wait, and they do: $name',
    async ({ system }) => {
      const uuid = await submit(system, COUNTS, { archiveSystemDir: `archived/orders-${Date.now()}` });
      await kilim.until(uuid, 'RUNNING', 60);
      await counting(system, uuid);
      await order(uuid, 'pause');
      const says = `Paused by alice; Slurm job ${await remoteId(uuid)} goes on running, because this site lets only operators suspend it; only the steps of Kilim are paused.`;
      expect((await kilim.until(uuid, 'PAUSED', 60)).lastMessage).toBe(says);
      expect((await explained(uuid)).explanation).toBe(says);
      expect(await inQueue(system, uuid)).toEqual(['RUNNING None']);
      await counting(system, uuid, countOf(system, uuid));
      letGo(dirOf(system, uuid));
      await vi.waitFor(async () => expect(await inQueue(system, uuid)).toEqual([]), 30_000);
      expect((await kilim.get(uuid)).status).toBe('PAUSED');
      await order(uuid, 'resume');
      await kilim.until(uuid, 'FINISHED', 60);
      expect(await kilim.output(uuid)).toBe('done\n');
      expect((await statusesOf(uuid)).slice(-4)).toEqual(['PAUSED', 'RUNNING', 'ARCHIVING', 'FINISHED']);
    },
  );
});

describe.runIf(cluster('hpc-slurm'))('a pause by an operator of Slurm', AT_ONCE, () => {
  const system = 'slurm-dave';
  const level = (word: string): string =>
    insideCluster('sacctmgr', '-i', 'modify', 'user', 'where', 'name=dave', 'set', `adminlevel=${word}`);
  beforeAll(() => void level('Operator'));
  afterAll(() => void level('None'));

  /** When Slurm will end it: seconds since the epoch. */
  const endOf = (id: string): number =>
    Date.parse(/ EndTime=(\S+)/.exec(insideCluster('scontrol', 'show', 'job', '-o', id))?.[1] ?? '') / 1000;
  const suspended = async (): Promise<string> => {
    const uuid = await submit(system, COUNTS, { maxMinutes: 5 });
    await kilim.until(uuid, 'RUNNING', 60);
    await counting(system, uuid);
    return uuid;
  };

  it('stops what runs, and the time until the resume is not counted', async () => {
    const uuid = await suspended();
    const id = await remoteId(uuid);
    const before = endOf(id);
    await order(uuid, 'pause');
    expect((await kilim.until(uuid, 'PAUSED', 60)).lastMessage).toContain(`Slurm job ${id} suspended`);
    expect(await inQueue(system, uuid)).toEqual(['SUSPENDED None']);
    const at = countOf(system, uuid);
    await sleep(5_000); // so long it would have counted on
    expect(countOf(system, uuid)).toBe(at);
    await order(uuid, 'resume');
    await kilim.until(uuid, 'RUNNING', 60);
    expect(await inQueue(system, uuid)).toEqual(['RUNNING None']);
    expect(endOf(id)).toBeGreaterThanOrEqual(before + 4);
    await counting(system, uuid, at);
    letGo(dirOf(system, uuid));
    const job = (await kilim.until(uuid, 'FINISHED', 60)) as JobRecord & Record<'remoteStarted' | 'remoteEnded', string>; // prettier-ignore
    const seconds = (Date.parse(job.remoteEnded) - Date.parse(job.remoteStarted)) / 1000;
    const ran = Number(/ran for (\d+) seconds; asked for 5 minutes/.exec((await explained(uuid)).evidence)?.[1]); // prettier-ignore
    expect(ran).toBeLessThanOrEqual(seconds - 4);
    expect(ran).toBeGreaterThan(0);
  });

  it('may end in a cancel, and nothing is left', async () => {
    const uuid = await suspended();
    await order(uuid, 'pause');
    await kilim.until(uuid, 'PAUSED', 60);
    expect(await inQueue(system, uuid)).toEqual(['SUSPENDED None']);
    await order(uuid, 'cancel');
    await kilim.until(uuid, 'CANCELLED', 90);
    expect(await inQueue(system, uuid)).toEqual([]);
    expect(processesOf(uuid)).toEqual([]);
  });
});

// after all others: what these break is everybody's
describe('where Slurm or the way to it is away', () => {
  /** A cancel that cannot be carried out: the job lives, and says what it waits for. */
  const waiting = async (uuid: string, system: string, why: RegExp): Promise<void> => {
    await vi.waitFor(
      async () => {
        const { explanation, evidence } = await explained(uuid);
        expect(explanation).toBe(
          `The job is being cancelled, and waits until ${system} confirms that nothing of it runs any more.`,
        );
        expect(evidence).toMatch(why);
        expect((await kilim.get(uuid)).lastMessage).toMatch(/^Being ended, which is not over yet: /);
        expect((await kilim.get(uuid)).lastMessage).toMatch(why);
      },
      { timeout: 60_000, interval: 200 },
    );
    expect((await kilim.get(uuid)).status).not.toBe('CANCELLED');
  };
  const ended = async (uuid: string, system: string): Promise<void> => {
    expect((await kilim.until(uuid, 'CANCELLED', 90)).lastMessage).toBe("Cancelled at the user's request.");
    expect(await inQueue(system, uuid)).toEqual([]);
    expect(processesOf(uuid)).toEqual([]);
  };

  it.runIf(cluster('hpc-noacct'))(
    'a cancel waits for a scancel that fails, then for sshd',
    AT_ONCE,
    async () => {
      const system = 'noacct';
      const [runs, queues, last] = await Promise.all([
        submit(system, 'sleep 600'),
        submit(system, 'sleep 600', { options: LATER }),
        submit(system, 'sleep 600 & sleep 601'),
      ]);
      await Promise.all([kilim.until(runs, 'RUNNING', 60), kilim.until(queues, 'QUEUED', 60), kilim.until(last, 'RUNNING', 60)]); // prettier-ignore
      control('shim', '--cluster', 'hpc-noacct', 'scancel', 'fail');
      try {
        await Promise.all([order(runs, 'cancel'), order(queues, 'cancel')]);
        await waiting(runs, system, /Slurm job \d+ is RUNNING, scancel: error: Unable to contact/);
        await waiting(queues, system, /Slurm job \d+ is PENDING, scancel: error: Unable to contact/);
        expect(await inQueue(system, runs)).toEqual(['RUNNING None']);
      } finally {
        control('shim', '--cluster', 'hpc-noacct', 'off');
      }
      await Promise.all([ended(runs, system), ended(queues, system)]);

      control('stop', 'hpc-noacct:sshd');
      try {
        await order(last, 'cancel');
        await waiting(last, system, /cannot be reached|ECONNREFUSED/);
        expect(processesOf(last)).not.toEqual([]);
      } finally {
        control('start', 'hpc-noacct:sshd');
      }
      await ended(last, system);
    },
  );

  it.runIf(cluster('hpc-slurm'))('every order is carried out when slurmctld is back', AT_ONCE, async () => {
    const system = 'slurm';
    const [runs, held, queues] = await Promise.all([
      submit(system, 'sleep 600 & sleep 601'),
      submit(system, 'sleep 600', { options: LATER }),
      submit(system, 'sleep 600', { options: LATER }),
    ]);
    await Promise.all([kilim.until(runs, 'RUNNING', 60), kilim.until(held, 'QUEUED', 60), kilim.until(queues, 'QUEUED', 60)]); // prettier-ignore
    await order(held, 'pause');
    await kilim.until(held, 'PAUSED', 60);
    control('stop', 'hpc-slurm:slurmctld');
    try {
      await Promise.all([order(runs, 'cancel'), order(held, 'resume'), order(queues, 'pause')]);
      await waiting(runs, system, /Slurm job \d+, perhaps: /);
      for (const uuid of [held, queues])
        expect((await kilim.until(uuid, 'BLOCKED', 60)).lastMessage).toContain(
          'Slurm did not take the order',
        );
    } finally {
      control('start', 'hpc-slurm:slurmctld');
    }
    await ended(runs, system);
    expect((await kilim.until(queues, 'PAUSED', 60)).lastMessage).toContain('held in the queue');
    expect(await inQueue(system, queues)).toEqual(['PENDING JobHeldUser']);
    await kilim.until(held, 'QUEUED', 60);
    await vi.waitFor(
      async () => expect(await inQueue(system, held)).toEqual([expect.not.stringContaining('Held')]),
      20_000,
    );
    await Promise.all([order(held, 'cancel'), order(queues, 'cancel')]);
    await Promise.all([ended(held, system), ended(queues, system)]);
  });
});
