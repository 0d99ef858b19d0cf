import { rounded, type Figure } from '../figure.js';
import { aWorld, sshPart, sshSystem, type World } from '../world.js';

const LONELY_JOBS = 5;
/** So many jobs of the crowd have ended before the other user submits a job: by then all places are taken. */
const BEGUN = 20;

export const fairness: Figure = {
  name: 'fairness',
  what: "another user's `echo hi` behind a crowd of one user's jobs on the same host: seconds, alone and behind the crowd",
  targets: { overTargetSeconds: { atMost: 0 } },
  async measure({ jobs = 2000 }) {
    const world = await aWorld([sshSystem('vm', sshPart('vm-ssh'))]);
    try {
      const permissions = ['READ', 'MODIFY', 'EXECUTE'];
      await world.call('POST', '/v3/systems/perms/vm/user/bob', { permissions });
      await world.call('POST', '/v3/apps/perms/shell/user/bob', { permissions });
      await secondsOf(world);
      let lonely = 0;
      for (let i = 0; i < LONELY_JOBS; i++) lonely += (await secondsOf(world)) / LONELY_JOBS;
      await crowd(world, jobs);
      const behind = await secondsOf(world);
      return {
        measures: {
          lonelySeconds: rounded(lonely, 2),
          behindSeconds: rounded(behind, 2),
          overTargetSeconds: rounded(behind - (3 * lonely + 5), 2),
          crowdLeft: jobs - (await ended(world)),
        },
        parameters: { jobs },
      };
    } finally {
      await world.stop();
    }
  },
};

async function secondsOf(world: World): Promise<number> {
  const begin = performance.now();
  await world.finished(await world.submit('vm', 'echo hi', {}, 'bob'), 600, 'bob');
  return (performance.now() - begin) / 1000;
}

/** Submits the crowd's jobs; resolves when all were accepted and BEGUN of them have ended. */
async function crowd(world: World, jobs: number): Promise<void> {
  let left = jobs;
  const client = async (): Promise<void> => {
    while (left-- > 0) await world.submit('vm', 'true');
  };
  await Promise.all(Array.from({ length: 20 }, client));
  while ((await ended(world)) < BEGUN) await new Promise((resolve) => setTimeout(resolve, 250));
}

const ended = async (world: World): Promise<number> =>
  (await world.call<unknown[]>('GET', `/v3/jobs/search?status.eq=FINISHED&select=uuid&limit=10000`)).length;
