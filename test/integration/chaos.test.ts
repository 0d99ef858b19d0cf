import { setTimeout as sleep } from 'node:timers/promises';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { aLoginNode, control } from '../support/cluster-host.js';
import { aKilim, processesOf, type Kilim } from '../support/kilim.js';
import { cluster, type Cluster } from '../support/testbed.js';

/*
 * Jobs while programs, sshd and slurmctld are killed at random. The whole of it:
 * KILIM_CHAOS_JOBS=500 KILIM_CHAOS_SECONDS=300 npx vitest run test/integration/chaos.test.ts
 * KILIM_CHAOS_SEED repeats the order of the blows.
 */
const JOBS = Number(process.env['KILIM_CHAOS_JOBS'] ?? 12);
const SECONDS = Number(process.env['KILIM_CHAOS_SECONDS'] ?? 25);
const SEED = Number(process.env['KILIM_CHAOS_SEED'] ?? Date.now() % 1_000_000);

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

describe.runIf(cluster('hpc-slurm'))(`chaos with the seed ${SEED}`, () => {
  let kilim: Kilim;
  beforeAll(async () => {
    kilim = await aKilim();
  });
  afterAll(() => kilim.stop());

  const blows: Record<string, () => void> = {
    worker: () => void kilim.kill('worker'),
    api: () => void kilim.kill('api'),
    temporal: () => void kilim.kill('temporal'),
    sshd: () => {
      control('stop', 'hpc-slurm:sshd');
      control('start', 'hpc-slurm:sshd');
    },
    slurmctld: () => {
      control('stop', 'hpc-slurm:slurmctld');
      control('start', 'hpc-slurm:slurmctld');
    },
  };

  it(
    'every job ends FINISHED with its true code, started once',
    async () => {
      const random = randomOf(SEED);
      const uuids: string[] = [];
      // the first jobs are there before the first blow, the others come while it rains
      const submitting = (async () => {
        for (let n = 0; n < JOBS; n++) {
          if (n >= JOBS / 2) await sleep((SECONDS * 1600) / JOBS);
          uuids.push(await submitSurely(kilim, n));
        }
      })();
      for (const deadline = Date.now() + SECONDS * 1000; Date.now() < deadline;) {
        const names = Object.keys(blows);
        const name = names[Math.floor(random() * names.length)] ?? 'worker';
        // a program that is not up again yet cannot be killed
        try {
          blows[name]?.();
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
      await expectNothingLeft(uuids);
    },
    (SECONDS + 300 + JOBS) * 1000,
  );
});

/** Until the API says that it has the job; the key makes a repeated request the same job. */
async function submitSurely(kilim: Kilim, n: number): Promise<string> {
  const request = {
    appId: 'zip-alice',
    execSystemId: 'slurm',
    jobType: n % 2 === 0 ? 'BATCH' : 'FORK',
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

/** Neither a process with the tag of a job, nor a Slurm job that is not over. */
async function expectNothingLeft(uuids: readonly string[]): Promise<void> {
  const { host, hosts } = await aLoginNode(cluster('hpc-slurm') as Cluster);
  const queued = () =>
    host.run({
      line: "/usr/bin/squeue --me --noheader --format='%A %T %k' || echo failed",
      parse: ({ stdout }) =>
        stdout.split('\n').filter((line) => line === 'failed' || uuids.some((uuid) => line.includes(uuid))),
    });
  try {
    await expect.poll(queued, { timeout: 60_000, interval: 500 }).toEqual([]);
    const living = () => processesOf(`\\(${uuids.join('\\|')}\\)`); // one look for all
    await expect.poll(living, { timeout: 60_000, interval: 2_000 }).toEqual([]);
  } finally {
    hosts.close();
  }
}
