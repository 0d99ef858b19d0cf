import { percentile, rounded, type Figure } from '../figure.js';
import { aRequest, aWorld, type World } from '../world.js';

export const submit: Figure = {
  name: 'submit',
  what: 'POST submit: one client after the other, then 20 at once (row written and fsynced)',
  targets: {
    oneClientP50Ms: { atMost: 25 },
    manyClientsPerSecond: { atLeast: 100 },
    manyClientsP99Ms: { atMost: 500 },
  },
  async measure({ one = 100, many = 600, clients = 20 }) {
    const world = await aWorld();
    try {
      await hold(world);
      await timed(world, 10, 1); // warm
      const single = await timed(world, one, 1);
      const crowd = await timed(world, many, clients);
      return {
        measures: {
          oneClientP50Ms: rounded(percentile(single.each, 0.5)),
          oneClientP95Ms: rounded(percentile(single.each, 0.95)),
          manyClientsPerSecond: rounded((many / crowd.totalMs) * 1000),
          manyClientsP50Ms: rounded(percentile(crowd.each, 0.5)),
          manyClientsP99Ms: rounded(percentile(crowd.each, 0.99)),
        },
        parameters: { one, many, clients },
      };
    } finally {
      await world.stop();
    }
  },
};

/** The jobs' own work is another figure: here they wait for a place that one job holds. */
async function hold(world: World): Promise<void> {
  const system = await world.call<Record<string, unknown>>('GET', '/v3/systems/here');
  await world.call('PATCH', '/v3/systems/here', { jobMaxJobs: 1, notes: system['notes'] });
  await world.submit('here', 'sleep 600', { maxMinutes: 20 });
}

async function timed(world: World, count: number, clients: number) {
  const each: number[] = [];
  const begin = performance.now();
  let left = count;
  const client = async (): Promise<void> => {
    while (left-- > 0) {
      const from = performance.now();
      await world.call('POST', '/v3/jobs/submit', aRequest('here', 'true'));
      each.push(performance.now() - from);
    }
  };
  await Promise.all(Array.from({ length: clients }, client));
  return { each, totalMs: performance.now() - begin };
}
