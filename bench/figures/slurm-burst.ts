import { setTimeout as sleep } from 'node:timers/promises';

import { aClusterWorld, batchJob, loginNode, type LoginNode } from '../cluster.js';
import { rounded, type Figure } from '../figure.js';
import { openProxy } from '../proxy.js';
import type { World } from '../world.js';

interface Listed {
  status: string;
  ended: string | null;
}

export const slurmBurst: Figure = {
  name: 'slurm-burst',
  what: 'no-op ZIP BATCH jobs at once: jobs per second, beside a bare sbatch loop in the same run',
  targets: { jobsPerSecond: { atLeast: 10 } }, // stretch: 15
  async measure({ jobs = 300 }) {
    const node = loginNode();
    const jobsPerSecond = await rate(await aClusterWorld(node), jobs);
    return {
      measures: {
        jobsPerSecond: rounded(jobsPerSecond),
        bareSbatchJobsPerSecond: rounded(jobs / bareLoop(node, jobs)),
        seconds: rounded(jobs / jobsPerSecond),
      },
      parameters: { jobs },
    };
  },
};

export const slurmBurstFar: Figure = {
  name: 'slurm-burst-far',
  what: 'the same burst through a line with a round trip of 20 ms, as a part of the rate without it, of the same run',
  targets: { partOfNear: { atLeast: 0.8 } },
  async measure({ jobs = 100, roundTripMs = 20 }) {
    const node = loginNode();
    const near = await rate(await aClusterWorld(node), jobs);
    const proxy = await openProxy(node.port, roundTripMs);
    try {
      const far = await rate(await aClusterWorld(node, proxy.port), jobs);
      return {
        measures: {
          nearPerSecond: rounded(near),
          farPerSecond: rounded(far),
          partOfNear: rounded(far / near, 2),
        },
        parameters: { jobs, roundTripMs },
      };
    } finally {
      await proxy.close();
    }
  },
};

/** Jobs per second from the first submission to the last end. */
async function rate(world: World, jobs: number): Promise<number> {
  try {
    await world.finished(await batchJob(world, 'true'));
    const begin = Date.now();
    await Promise.all(Array.from({ length: jobs }, () => batchJob(world, 'true')));
    for (;;) {
      const all = await world.call<Listed[]>('GET', '/v3/jobs/list?limit=-1');
      if (all.some(({ status }) => status === 'FAILED' || status === 'CANCELLED'))
        throw new Error('a job of the burst failed');
      if (all.every(({ status }) => status === 'FINISHED'))
        return (jobs * 1000) / (Math.max(...all.map(({ ended }) => Date.parse(ended ?? ''))) - begin);
      await sleep(250);
    }
  } finally {
    await world.stop();
  }
}

/** Seconds from the first sbatch to the last script's end. */
const bareLoop = (node: LoginNode, jobs: number): number =>
  Number(
    node.run(
      [
        'd=$(mktemp -d -p "$HOME"); begin=$(date +%s%3N)',
        `for n in $(seq ${jobs}); do sbatch --quiet --output=/dev/null --wrap ": > $d/$n" > /dev/null; done`,
        `until [ "$(ls "$d" | wc -l)" -ge ${jobs} ]; do sleep 0.1; done; echo $(($(date +%s%3N) - begin)); rm -rf "$d"`,
      ].join('\n'),
    ),
  ) / 1000;
