import { setTimeout as sleep } from 'node:timers/promises';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { insideCluster } from '../support/cluster-host.js';
import { aGate, type Gate } from '../support/gate.js';
import { aKilim, HELD, killSessions, letGo, startsOf, type Kilim } from '../support/kilim.js';
import { cluster, part } from '../support/testbed.js';

const script = (text: string) => ({
  appArgs: [{ arg: `'eval "$SCRIPT"'` }],
  envVariables: [{ key: 'SCRIPT', value: text }],
});

describe('on this machine', () => {
  let kilim: Kilim;
  beforeAll(async () => {
    kilim = await aKilim();
  });
  afterAll(() => kilim.stop());

  describe.each(['worker', 'api', 'temporal'] as const)('kill -9 of the %s', (program) => {
    it.each(['PENDING', 'RUNNING'])(
      'while a job is %s: it ends FINISHED, started once, with its true exit code',
      async (status) => {
        const uuid = await kilim.submit({
          appId: 'zip-app',
          execSystemId: 'here',
          parameterSet: script(status === 'RUNNING' ? `${HELD}; echo done` : 'echo done'),
        });
        const execDir = `${kilim.home}/data/here/workdir/jobs/${uuid}`;
        if (status === 'RUNNING') await kilim.until(uuid, 'RUNNING');
        kilim.kill(program);
        if (status === 'RUNNING') letGo(execDir);
        const job = await kilim.until(uuid, 'FINISHED', 80);
        expect(job.remoteResultInfo).toBe('0');
        expect(await kilim.output(uuid)).toBe('done\n');
        expect(startsOf(execDir, uuid)).toBe(1);
      },
      100_000,
    );
  });
});

/** One way: a phase then takes long enough to be seen. */
const DELAY_MS = 80;

const PHASES = [
  'PROCESSING_INPUTS',
  'STAGING_INPUTS',
  'STAGING_JOB',
  'SUBMITTING_JOB',
  'RUNNING',
  'ARCHIVING',
] as const;

/*
 * Each job has a network of its own, slow enough that the test sees it in each phase and then holds it there. With one
 * job held in every phase, one fault hits them all.
 */
describe.runIf(part('vm-ssh') && part('store-ssh'))('over SSH, with a job in every phase', () => {
  let kilim: Kilim;
  let input: string;
  const gates = new Map<string, Gate>();

  beforeAll(async () => {
    kilim = await aKilim();
    for (const phase of PHASES) gates.set(phase, await aGate(kilim, `gate-${phase}`));
    // an input for the others
    const first = await kilim.submit({
      appId: 'zip-app',
      execSystemId: 'store',
      parameterSet: script('echo in'),
    });
    await kilim.until(first, 'FINISHED');
    await Promise.all(
      [...gates.values()].map(async ({ systemId: execSystemId }) => {
        const uuid = await kilim.submit({ appId: 'zip-app', execSystemId, parameterSet: script('true') });
        await kilim.until(uuid, 'FINISHED');
      }),
    );
    input = `tapis://store/workdir/jobs/${first}/output/tapisjob.out`;
  }, 120_000);
  afterAll(async () => {
    for (const gate of gates.values()) await gate.close();
    await kilim.stop();
  });

  const request = (execSystemId: string, seconds = 1) => ({
    appId: 'zip-app',
    execSystemId,
    archiveSystemId: 'store',
    fileInputs: [{ name: 'in', sourceUrl: input, targetPath: 'in.txt' }],
    parameterSet: script(`sleep ${seconds}; cat in.txt`),
  });

  /** Submits a job and holds its host as soon as it is seen in the phase. */
  const held = async (phase: string): Promise<string> => {
    const gate = gates.get(phase);
    const uuid = await kilim.submit(request(`gate-${phase}`, phase === 'RUNNING' ? 12 : 1));
    for (const deadline = Date.now() + 60_000; (await kilim.get(uuid)).status !== phase; await sleep(20))
      if (Date.now() > deadline) throw new Error(`${uuid} was never seen in ${phase}`);
    gate?.hold();
    return uuid;
  };

  /** Submits jobs until one is seen PENDING: a worker with nothing to do may take one before it can be asked for. */
  const untilOneIsPending = async (): Promise<[string, string][]> => {
    const jobs: [string, string][] = [];
    for (let tries = 0; tries < 20; tries += 1) {
      const uuid = await kilim.submit(request('vm'));
      const { status } = await kilim.get(uuid);
      jobs.push([status, uuid]);
      if (status === 'PENDING') return jobs;
    }
    throw new Error(`no job was ever seen PENDING: ${JSON.stringify(jobs)}`);
  };

  it.each(['worker', 'api', 'temporal', 'connections', 'sessions'] as const)(
    'kill -9 of the %s: every job ends FINISHED, started once, with its true exit code',
    async (fault) => {
      for (const gate of gates.values()) {
        gate.release();
        gate.setDelay(DELAY_MS);
      }
      // Those that come far go first: a job held for long in an early phase would be BLOCKED, as it should.
      const jobs: [string, string][] = [];
      for (const wave of [PHASES.slice(3), PHASES.slice(0, 3)])
        jobs.push(
          ...(await Promise.all(
            wave.map(async (phase): Promise<[string, string]> => [phase, await held(phase)]),
          )),
        );
      for (const [phase, uuid] of jobs) expect(await kilim.get(uuid)).toMatchObject({ uuid, status: phase });
      jobs.push(...(await untilOneIsPending()));
      if (fault === 'connections') for (const gate of gates.values()) gate.drop();
      else if (fault === 'sessions') expect(killSessions(part('vm-ssh')?.user ?? '')).toBeGreaterThan(0);
      else kilim.kill(fault);
      for (const gate of gates.values()) {
        gate.setDelay(0);
        gate.release();
      }
      await Promise.all(
        jobs.map(async ([phase, uuid]) => {
          const job = await kilim.until(uuid, 'FINISHED', 150);
          expect([phase, job.remoteResultInfo]).toEqual([phase, '0']);
          expect([phase, await kilim.output(uuid)]).toEqual([phase, 'in\n']);
          expect([phase, startsOf(`${part('vm-ssh')?.home}/workdir/jobs/${uuid}`, uuid)]).toEqual([phase, 1]);
        }),
      );
    },
    240_000,
  );
});

/* Only a scheduler keeps a job in QUEUED. */
const bed = cluster('hpc-slurm');
describe.runIf(bed)('on a cluster, with a job that waits in its queue and one that runs', () => {
  let kilim: Kilim;
  beforeAll(async () => {
    kilim = await aKilim();
  });
  afterAll(() => kilim.stop());

  const submit = (schedulerOptions: { arg: string }[], text: string): Promise<string> =>
    kilim.submit({
      appId: 'zip-alice', execSystemId: 'slurm', jobType: 'BATCH', parameterSet: { ...script(text), schedulerOptions },
    }); // prettier-ignore

  it.each(['worker', 'api', 'temporal', 'sessions'] as const)(
    'kill -9 of the %s: both end FINISHED, started once, with their true exit code',
    async (fault) => {
      const folder = (uuid: string) => `${bed?.users['alice']?.homeOnThisMachine ?? ''}/workdir/jobs/${uuid}`;
      const running = await submit([], `${HELD}; echo done`);
      await kilim.until(running, 'RUNNING', 60);
      const queued = await submit([{ arg: '--begin=now+10' }], 'echo done');
      await kilim.until(queued, 'QUEUED', 60);
      // fails where there was none
      if (fault === 'sessions') insideCluster('pkill', '-KILL', '-f', '^sshd(-session)?: alice');
      else kilim.kill(fault);
      letGo(folder(running));
      expect(await kilim.until(queued, 'FINISHED', 150)).toMatchObject({ remoteResultInfo: '0:0' });
      expect(await kilim.until(running, 'FINISHED', 150)).toMatchObject({ remoteResultInfo: '0:0' });
      for (const uuid of [queued, running]) {
        expect(await kilim.output(uuid)).toBe('done\n');
        expect([uuid, startsOf(folder(uuid), uuid)]).toEqual([uuid, 1]);
      }
    },
    240_000,
  );
});
