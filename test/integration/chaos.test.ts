import { setTimeout as sleep } from 'node:timers/promises';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { control, inside } from '../support/cluster-host.js';
import { aKilim, processesOf, type Kilim } from '../support/kilim.js';
import { cluster } from '../support/testbed.js';

/*
 * Jobs while programs, sshd and slurmctld are killed at random. The whole of it:
 * KILIM_CHAOS_JOBS=500 KILIM_CHAOS_SECONDS=300 npx vitest run test/integration/chaos.test.ts
 * KILIM_CHAOS_SEED repeats the order of the blows.
 */
const JOBS = Number(process.env['KILIM_CHAOS_JOBS'] ?? 12);
const SECONDS = Number(process.env['KILIM_CHAOS_SECONDS'] ?? 25);
const SEED = Number(process.env['KILIM_CHAOS_SEED'] ?? Date.now() % 1_000_000);

/** The systems of the jobs, and the clusters that they lead to. */
const SYSTEMS = { slurm: 'hpc-slurm', noacct: 'hpc-noacct' } as const;
type Name = (typeof SYSTEMS)[keyof typeof SYSTEMS];
const present = Object.entries(SYSTEMS).filter(([, name]) => cluster(name));

/** The same numbers for the same seed (mulberry32). */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

describe.runIf(present.length > 0)(`chaos with the seed ${SEED}`, () => {
  let kilim: Kilim;
  beforeAll(async () => {
    kilim = await aKilim();
  });
  afterAll(() => kilim.stop());

  const random = randomOf(SEED);
  const oneOf = <T>(all: readonly T[]): T => all[Math.floor(random() * all.length)] as T;
  const restart = (daemon: string): void => {
    control('stop', daemon);
    control('start', daemon);
  };
  const blows: Record<string, () => unknown> = {
    worker: () => kilim.kill('worker'),
    api: () => kilim.kill('api'),
    temporal: () => kilim.kill('temporal'),
    sshd: () => restart(`${oneOf(present)[1]}:sshd`),
    slurmctld: () => {
      const [, name] = oneOf(present);
      return oneOf([restart, killSlurmctld])(`${name}:slurmctld`);
    },
  };

  it(
    'every job ends FINISHED with its true code, started once',
    async () => {
      process.stdout.write(`chaos: KILIM_CHAOS_SEED=${SEED} repeats this order\n`);
      const uuids: string[] = [];
      // the first jobs are there before the first blow, the others come while it rains
      const submitting = (async () => {
        for (let n = 0; n < JOBS; n++) {
          if (n >= JOBS / 2) await sleep((SECONDS * 1600) / JOBS);
          uuids.push(await submitSurely(kilim, n));
        }
      })();
      for (const deadline = Date.now() + SECONDS * 1000; Date.now() < deadline;) {
        const name = oneOf(Object.keys(blows));
        // a program that is not up again yet cannot be killed
        try {
          await blows[name]?.();
        } catch (error) {
          process.stdout.write(`chaos: ${name} could not be hit: ${String(error).slice(0, 200)}\n`);
        }
        await sleep(1_000 + random() * 6_000);
      }
      await submitting;
      expect(new Set(uuids).size).toBe(JOBS);
      for (const uuid of uuids) {
        const job = await kilim.until(uuid, 'FINISHED', 300);
        expect(job.remoteResultInfo).toMatch(/^0(:0)?$/);
        await expect.poll(() => kilim.output(uuid), { timeout: 60_000, interval: 500 }).toBe('once\n');
      }
      for (const [, name] of present) await expectNoSlurmJob(name, uuids);
      const living = () => processesOf(`\\(${uuids.join('\\|')}\\)`); // one look for all
      await expect.poll(living, { timeout: 60_000, interval: 2_000 }).toEqual([]);
    },
    (SECONDS + 300 + JOBS) * 1000,
  );
});

/** Until the API says that it has the job; the key makes a repeated request the same job. */
async function submitSurely(kilim: Kilim, n: number): Promise<string> {
  const request = {
    appId: 'zip-alice',
    execSystemId: present[n % present.length]?.[0],
    jobType: n % 4 < 2 ? 'BATCH' : 'FORK',
    parameterSet: {
      appArgs: [{ arg: `'eval "$SCRIPT"'` }],
      // the start is counted by the application itself
      envVariables: [{ key: 'SCRIPT', value: `echo once >> starts; sleep ${1 + (n % 8)}; cat starts` }],
    },
  };
  for (const deadline = Date.now() + 120_000; ; await sleep(500)) {
    try {
      return await kilim.submit(request, { 'Idempotency-Key': `chaos-${SEED}-${n}` });
    } catch (error) {
      // no answer, or 503 while the store is busy; everything else is a fault
      const passes = /fetch failed|other side closed|ECONN|terminated|JSON|submit: 5/.test(String(error));
      if (!passes || Date.now() > deadline) throw error;
    }
  }
}

/** No Slurm job that is not over. */
async function expectNoSlurmJob(on: Name, uuids: readonly string[]): Promise<void> {
  const queued = (): string[] =>
    inside(on, '/usr/bin/squeue', '--noheader', '--format=%A %T %k')
      .split('\n')
      .filter((line) => uuids.some((uuid) => line.includes(uuid)));
  await expect.poll(queued, { timeout: 60_000, interval: 500 }).toEqual([]);
}

/**
 * `kill -9` in a moment when slurmctld has written down all that it did: it does so every six seconds at most, and forgets
 * what it took since then. A job that had not begun is submitted again (slurm-forgets.test.ts); one that runs is ended by Slurm.
 */
async function killSlurmctld(daemon: string): Promise<void> {
  const name = daemon.split(':')[0] as Name;
  for (let tries = 0; tries < 30; tries++) {
    control('freeze', daemon);
    try {
      // each change of a job is a line in the log
      inside(name, 'test', '/var/lib/slurm/slurmctld/job_state', '-nt', '/var/log/slurm/slurmctld.log');
    } catch {
      control('thaw', daemon);
      await sleep(200);
      continue;
    }
    control('kill', daemon);
    control('start', daemon);
    return;
  }
  throw new Error('slurmctld had something to write down all the time');
}
