import { setTimeout as sleep } from 'node:timers/promises';

import { rounded, type Figure } from '../figure.js';
import { aWorld, sshPart, sshSystem } from '../world.js';

interface Listed {
  status: string;
  ended: string | null;
}

export const burst: Figure = {
  name: 'burst',
  what: 'no-op ZIP FORK jobs at once over SSH, one worker process: jobs per second from the first submit to the last end',
  targets: { jobsPerSecond: { atLeast: 8 } },
  async measure({ jobs = 200 }) {
    const world = await aWorld([sshSystem('vm', sshPart('vm-ssh'))]);
    try {
      await world.finished(await world.submit('vm', 'true'));
      const processor = world.processorSeconds();
      const begin = Date.now();
      await Promise.all(Array.from({ length: jobs }, () => world.submit('vm', 'true')));
      const submittedSeconds = (Date.now() - begin) / 1000;
      for (;;) {
        const all = await world.call<Listed[]>('GET', '/v3/jobs/list?limit=-1');
        const bad = all.find(({ status }) => status === 'FAILED' || status === 'CANCELLED');
        if (bad) throw new Error('a job of the burst failed');
        if (all.every(({ status }) => status === 'FINISHED')) {
          const last = Math.max(...all.map(({ ended }) => Date.parse(ended ?? '')));
          const seconds = (last - begin) / 1000;
          return {
            measures: {
              jobsPerSecond: rounded(jobs / seconds),
              seconds: rounded(seconds),
              submittedSeconds: rounded(submittedSeconds),
              processorMsPerJob: rounded(((world.processorSeconds() - processor) * 1000) / jobs),
            },
            parameters: { jobs },
          };
        }
        await sleep(250);
      }
    } finally {
      await world.stop();
    }
  },
};
