import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { control, inside } from '../support/cluster-host.js';
import { aKilim, cancelAll, startsOf, type Kilim } from '../support/kilim.js';
import { cluster } from '../support/testbed.js';

const BEDS = { 'hpc-slurm': cluster('hpc-slurm'), 'hpc-noacct': cluster('hpc-noacct') };
type Name = keyof typeof BEDS;

/* slurmctld writes down what it knows every few seconds. One that is killed forgets what it took since then. */
describe.runIf(BEDS['hpc-slurm'] && BEDS['hpc-noacct'])('jobs that wait, and that slurmctld forgot', () => {
  let kilim: Kilim;
  beforeAll(async () => {
    kilim = await aKilim();
  });
  afterAll(async () => {
    await cancelAll(kilim).finally(() => kilim.stop());
  });

  const submit = (on: Name, script: string, begin: string): Promise<string> =>
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
  const idsOf = (on: Name, uuid: string): string[] =>
    inside(on, '/usr/bin/squeue', '--states=all', '--noheader', '--format=%A %T %k')
      .split('\n')
      .filter((line) => line.includes(uuid) && !line.includes('CANCELLED'))
      .map((line) => line.split(' ')[0] ?? '');
  const isWritten = (on: Name, uuid: string): boolean =>
    inside(on, 'bash', '-c', `grep -c ${uuid} /var/lib/slurm/slurmctld/job_state || true`).trim() !== '0';
  const cancel = (uuid: string) => kilim.call('POST', `/v3/jobs/${uuid}/cancel`);

  /** Submits, and kills slurmctld before it has written them down. */
  const forgotten = async (on: Name, jobs: [script: string, begin: string][]): Promise<string[]> => {
    for (let tries = 0; tries < 5; tries++) {
      const uuids = await Promise.all(jobs.map(([script, begin]) => submit(on, script, begin)));
      for (const uuid of uuids) await kilim.until(uuid, 'QUEUED', 60);
      control('freeze', `${on}:slurmctld`);
      const isLate = uuids.some((uuid) => isWritten(on, uuid));
      control(isLate ? 'thaw' : 'kill', `${on}:slurmctld`);
      if (!isLate) {
        control('start', `${on}:slurmctld`);
        expect(uuids.map((uuid) => idsOf(on, uuid))).toEqual(jobs.map(() => []));
        return uuids;
      }
      await Promise.all(uuids.map(cancel));
    }
    throw new Error('slurmctld was quick to write down the jobs of five tries');
  };

  /** Ends with code 9 under the number that each of the forgotten jobs had: Slurm gives it again. */
  const takeNumbersOf = async (on: Name, uuids: string[]): Promise<void> => {
    for (let n = 0; n < uuids.length; n++)
      inside(on, 'runuser', '-l', 'alice', '-c', 'sbatch --quiet --output=/dev/null --wrap "exit 9"');
    const isQuiet = () => inside(on, 'squeue', '--noheader', '--name=wrap') === '';
    await expect.poll(isQuiet, { timeout: 30_000, interval: 500 }).toBe(true);
  };

  it.concurrent.each(['hpc-slurm', 'hpc-noacct'] as const)(
    'on %s, are submitted again, are one Slurm job each that starts once, and can be cancelled before and after',
    async (on) => {
      const [ends = '', early = '', late = ''] = await forgotten(on, [
        ['echo "$SLURM_JOB_ID"; exit 7', 'now+5'],
        ['true', 'now+600'],
        ['true', 'now+600'],
      ]);
      await takeNumbersOf(on, [ends, early, late]);
      await cancel(early);
      await kilim.until(early, 'CANCELLED', 60);
      // the watcher may have looked right before the crash: its next look is two minutes later, and half a minute settles it
      await expect.poll(() => idsOf(on, late), { timeout: 200_000, interval: 1_000 }).toHaveLength(1);
      await cancel(late);
      await kilim.until(late, 'CANCELLED', 60);
      const job = await kilim.until(ends, 'FAILED', 200);
      expect(job).toMatchObject({ remoteResultInfo: '7:0', condition: 'SCHEDULER_TERMINATED' });
      expect(await kilim.output(ends)).toBe(`${job.remoteJobId ?? ''}\n`);
      const folder = `${BEDS[on]?.users['alice']?.homeOnThisMachine ?? ''}/workdir/jobs/${ends}`;
      expect(startsOf(folder, ends)).toBe(1);
      expect([ends, early, late].map((uuid) => idsOf(on, uuid))).toEqual([[job.remoteJobId], [], []]);
    },
    500_000,
  );
});
