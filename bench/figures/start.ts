import { mkdtempSync, chmodSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { rounded, type Figure } from '../figure.js';
import { openWorld } from '../world.js';

const IDLE_MS = 10_000;

export const start: Figure = {
  name: 'start',
  what: '`kilim up` in a fresh home to "ready", and what all its processes hold when idle',
  targets: { readySeconds: { atMost: 5 }, idleMB: { atMost: 600 } },
  async measure() {
    const home = mkdtempSync(join(tmpdir(), 'kilim-bench-'));
    chmodSync(home, 0o711);
    const world = await openWorld(home, []);
    try {
      await sleep(IDLE_MS);
      const megabytes = (program?: 'worker' | 'api' | 'temporal'): number =>
        Math.round(world.memory(program) / 1e6);
      return {
        measures: {
          readySeconds: rounded(world.readyMs / 1000, 2),
          idleMB: megabytes(),
          workerMB: megabytes('worker'),
          apiMB: megabytes('api'),
          temporalMB: megabytes('temporal'),
        },
      };
    } finally {
      await world.stop();
    }
  },
};
