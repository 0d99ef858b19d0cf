import { percentile, rounded, type Figure, type Measured } from '../figure.js';
import { aWorld, sshPart, sshSystem, type World } from '../world.js';

export const oneJobHere: Figure = {
  name: 'one-job-here',
  what: 'one no-op ZIP FORK job on this machine, submit to FINISHED',
  targets: { p50Ms: { atMost: 300 }, p95Ms: { atMost: 600 } },
  measure: async ({ jobs = 40 }) => oneByOne(await aWorld(), 'here', jobs),
};

export const oneJobSsh: Figure = {
  name: 'one-job-ssh',
  what: 'the same over loopback SSH',
  targets: { p50Ms: { atMost: 400 }, p95Ms: { atMost: 800 } },
  measure: async ({ jobs = 40 }) => oneByOne(await aWorld([sshSystem('vm', sshPart('vm-ssh'))]), 'vm', jobs),
};

async function oneByOne(world: World, system: string, jobs: number): Promise<Measured> {
  try {
    const each: number[] = [];
    for (let i = -3; i < jobs; i++) {
      const begin = performance.now();
      await world.finished(await world.submit(system, 'true'));
      if (i >= 0) each.push(performance.now() - begin); // the first ones warm connections and caches
    }
    return {
      measures: { p50Ms: rounded(percentile(each, 0.5)), p95Ms: rounded(percentile(each, 0.95)) },
      parameters: { jobs },
    };
  } finally {
    await world.stop();
  }
}
