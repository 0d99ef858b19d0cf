import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { rounded, type Figure } from '../figure.js';
import { aRequest, aWorld, sshPart, sshSystem, type World } from '../world.js';

/** All commands count, whatever they are for: the jobs do nothing else meanwhile. */
export const looking: Figure = {
  name: 'looking',
  what: 'jobs that run for minutes on one host: remote commands for looking, all together',
  targets: { commandsPerMinute: { atMost: 6 } },
  async measure({ jobs = 300, minutes = 3 }) {
    const world = await aWorld([sshSystem('vm', sshPart('vm-ssh'))]);
    const uuids: string[] = [];
    try {
      let left = jobs;
      const client = async (): Promise<void> => {
        while (left-- > 0) uuids.push(await submitSleeper(world));
      };
      await Promise.all(Array.from({ length: 10 }, client));
      while ((await running(world)) < jobs) await sleep(1_000);
      await sleep(30_000); // the last ones are new to the watcher
      const before = await commands(world);
      await sleep(minutes * 60_000);
      const counted = (await commands(world)) - before;
      if ((await running(world)) < jobs) throw new Error('a job ended while it was watched');
      return {
        measures: {
          commandsPerMinute: rounded(counted / minutes),
          workerMB: Math.round(world.memory('worker') / 1e6),
        },
        parameters: { jobs, minutes },
      };
    } finally {
      for (const uuid of uuids)
        await world.call('POST', `/v3/jobs/${uuid}/cancel`, {}).catch(() => undefined);
      await untilAllEnded(world);
      await world.stop();
    }
  },
};

const submitSleeper = async (world: World): Promise<string> =>
  (
    await world.call<{ uuid: string }>(
      'POST',
      '/v3/jobs/submit',
      aRequest('vm', 'exec sleep 1800', { maxMinutes: 60 }),
    )
  ).uuid;

const statuses = async (world: World): Promise<string[]> =>
  (await world.call<{ status: string }[]>('GET', '/v3/jobs/list?limit=-1')).map(({ status }) => status);

const running = async (world: World): Promise<number> =>
  (await statuses(world)).filter((status) => status === 'RUNNING').length;

/** Nothing of the bench stays on the host. */
async function untilAllEnded(world: World): Promise<void> {
  for (const deadline = Date.now() + 5 * 60_000; Date.now() < deadline; await sleep(1_000))
    if ((await statuses(world)).every((status) => status === 'CANCELLED')) return;
}

async function commands(world: World): Promise<number> {
  const ports = JSON.parse(readFileSync(join(world.home, 'ports.json'), 'utf8')) as { metrics: number };
  const text = await (await fetch(`http://127.0.0.1:${ports.metrics}/metrics`)).text();
  return Number(/^kilim_remote_commands_total (\d+)$/m.exec(text)?.[1] ?? NaN);
}
