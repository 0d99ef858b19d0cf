import { setTimeout as sleep } from 'node:timers/promises';

import { percentile, rounded, type Figure } from '../figure.js';
import { aRequest, aWorld, type World } from '../world.js';

export const parked: Figure = {
  name: 'parked',
  what: 'jobs that are BLOCKED by a quota for long: what the worker holds',
  targets: { workerMB: { atMost: 700 }, listPageP50Ms: { atMost: 50 } },
  async measure({ jobs = 3000 }) {
    const world = await aWorld();
    try {
      await world.call('PATCH', '/v3/systems/here', { jobMaxJobs: 1 });
      await world.submit('here', 'sleep 1800', { maxMinutes: 60 });
      await crowd(world, jobs);
      const blocked = await untilBlocked(world, jobs);
      await sleep(5_000);
      return {
        measures: {
          workerMB: Math.round(world.memory('worker') / 1e6),
          apiMB: Math.round(world.memory('api') / 1e6),
          temporalMB: Math.round(world.memory('temporal') / 1e6),
          listPageP50Ms: await listPageP50Ms(world),
          blocked,
        },
        parameters: { jobs },
      };
    } finally {
      await world.stop();
    }
  },
};

export async function listPageP50Ms(world: World): Promise<number> {
  const pages: number[] = [];
  for (let i = 0; i < 20; i++) {
    const begin = performance.now();
    await world.call('GET', '/v3/jobs/list?limit=100');
    pages.push(performance.now() - begin);
  }
  return rounded(percentile(pages, 0.5));
}

async function crowd(world: World, jobs: number): Promise<void> {
  let left = jobs;
  const client = async (): Promise<void> => {
    while (left-- > 0) await world.call('POST', '/v3/jobs/submit', aRequest('here', 'true'));
  };
  await Promise.all(Array.from({ length: 10 }, client));
}

async function untilBlocked(world: World, jobs: number): Promise<number> {
  for (const deadline = Date.now() + 15 * 60_000; ; await sleep(2_000)) {
    const text = await (await fetch(`${world.url}/metrics`)).text(); // a list of all would keep a core busy
    const blocked = Number(/^kilim_jobs\{status="BLOCKED"\} (\d+)$/m.exec(text)?.[1] ?? 0);
    if (blocked >= jobs || Date.now() > deadline) return blocked;
  }
}
