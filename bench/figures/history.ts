import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { rounded, type Figure } from '../figure.js';
import { aWorld } from '../world.js';

export const history: Figure = {
  name: 'history',
  what: "Temporal's history of an uneventful job, as JSON",
  targets: { events: { atMost: 70 }, kilobytes: { atMost: 25 } },
  async measure() {
    const world = await aWorld();
    try {
      await world.finished(await world.submit('here', 'true'));
      const uuid = await world.submit('here', 'sleep 1');
      await world.finished(uuid);
      const ports = JSON.parse(readFileSync(join(world.home, 'ports.json'), 'utf8')) as { ui: number };
      const reply = await fetch(
        `http://127.0.0.1:${ports.ui}/api/v1/namespaces/default/workflows/${uuid}/history?maximumPageSize=1000`,
      );
      const { history } = (await reply.json()) as { history: { events: unknown[] } };
      return {
        measures: {
          events: history.events.length,
          kilobytes: rounded(JSON.stringify(history).length / 1024),
        },
      };
    } finally {
      await world.stop();
    }
  },
};
