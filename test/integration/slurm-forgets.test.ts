import { setTimeout as sleep } from 'node:timers/promises';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { control, inside } from '../support/cluster-host.js';
import { aKilim, cancelAll, startsOf, type Kilim } from '../support/kilim.js';
import { cluster } from '../support/testbed.js';

/* slurmctld writes down what it knows every few seconds. What is killed forgets what it took since then. */
describe.each(['hpc-slurm', 'hpc-noacct'] as const)('on %s, a job that waits', (on) => {
  const bed = cluster(on);
  let kilim: Kilim;
  beforeAll(async () => {
    kilim = await aKilim();
  });
  afterAll(async () => {
    await cancelAll(kilim).finally(() => kilim.stop());
  });

  const home = bed?.users['alice']?.homeOnThisMachine ?? '';
  const submit = (script: string, begin: string): Promise<string> =>
    kilim.submit({
      appId: 'zip-alice',
      execSystemId: on === 'hpc-slurm' ? 'slurm' : 'noacct',
      jobType: 'BATCH',
      parameterSet: {
        appArgs: [{ arg: `'eval "$SCRIPT"'` }],
        envVariables: [{ key: 'SCRIPT', value: script }],
        schedulerOptions: [{ arg: `--begin=${begin}` }],
      },
    });
  const idsOf = (uuid: string): string[] =>
    inside(on, '/usr/bin/squeue', '--states=all', '--noheader', '--format=%A %k')
      .split('\n')
      .filter((line) => line.includes(uuid))
      .map((line) => line.split(' ')[0] ?? '');
  const isWritten = (uuid: string): boolean =>
    inside(on, 'bash', '-c', `grep -c ${uuid} /var/lib/slurm/slurmctld/job_state || true`).trim() !== '0';

  /** A job that Slurm has taken and forgot. */
  const forgotten = async (script: string, begin: string): Promise<string> => {
    for (let tries = 0; tries < 5; tries++) {
      const uuid = await submit(script, begin);
      await kilim.until(uuid, 'QUEUED', 60);
      control('freeze', `${on}:slurmctld`);
      const isLate = isWritten(uuid);
      if (isLate) control('thaw', `${on}:slurmctld`);
      else control('kill', `${on}:slurmctld`);
      if (!isLate) {
        control('start', `${on}:slurmctld`);
        expect(idsOf(uuid)).toEqual([]);
        return uuid;
      }
      await kilim.call('POST', `/v3/jobs/${uuid}/cancel`);
    }
    throw new Error('slurmctld had written down each of five jobs at once');
  };

  it.runIf(bed)(
    'and was forgotten is submitted again, is one Slurm job, and starts once',
    async () => {
      const { remoteJobId: lostId, uuid } = await forgotten('echo "$SLURM_JOB_ID"; exit 7', 'now+5').then(
        (known) => kilim.get(known),
      );
      const job = await kilim.until(uuid, 'FAILED', 150);
      expect(job).toMatchObject({ remoteResultInfo: '7:0', condition: 'SCHEDULER_TERMINATED' });
      expect(idsOf(uuid)).toEqual([job.remoteJobId]);
      expect(await kilim.output(uuid)).toBe(`${job.remoteJobId ?? ''}\n`);
      expect(startsOf(`${home}/workdir/jobs/${uuid}`, uuid)).toBe(1);
      expect(lostId).not.toBe('');
    },
    240_000,
  );

  it.runIf(bed)(
    'and was forgotten can be cancelled, before and after it was submitted again',
    async () => {
      const early = await forgotten('true', 'now+600');
      await kilim.call('POST', `/v3/jobs/${early}/cancel`);
      await kilim.until(early, 'CANCELLED', 60);
      const late = await forgotten('true', 'now+600');
      await expect.poll(() => idsOf(late), { timeout: 120_000, interval: 500 }).toHaveLength(1);
      await kilim.call('POST', `/v3/jobs/${late}/cancel`);
      await kilim.until(late, 'CANCELLED', 60);
      await sleep(1_000);
      const states = inside(on, '/usr/bin/squeue', '--noheader', '--format=%k');
      expect([early, late].filter((uuid) => states.includes(uuid))).toEqual([]);
    },
    300_000,
  );
});
