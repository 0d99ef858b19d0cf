import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { Client, Connection } from '@temporalio/client';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';

import { type Figure } from '../figure.js';
import { aWorld } from '../world.js';

export const history: Figure = {
  name: 'history',
  what: "Temporal's history of an uneventful job",
  targets: { events: { atMost: 70 }, kilobytes: { atMost: 25 } },
  async measure() {
    const world = await aWorld();
    try {
      const uuid = await world.submit('here', 'sleep 2');
      await world.finished(uuid);
      const { temporal } = JSON.parse(readFileSync(join(world.home, 'ports.json'), 'utf8')) as {
        temporal: number;
      };
      const connection = await Connection.connect({ address: `127.0.0.1:${temporal}` });
      const told = await new Client({ connection }).workflow.getHandle(uuid).fetchHistory();
      await connection.close();
      return {
        measures: {
          events: told.events?.length ?? 0,
          kilobytes: Math.round(JSON.stringify(JSON.parse(historyToJSON(told))).length / 100) / 10,
        },
      };
    } finally {
      await world.stop();
    }
  },
};
