import { defineConfig } from 'vitest/config';

import { Order } from './test/support/order.js';

const project = (name: string, testTimeout: number, more: object = {}) => ({
  extends: true as const,
  test: { name, include: [`test/${name}/**/*.test.ts`], testTimeout, sequence: { groupOrder: 1 }, ...more },
});

// What each needs is said in README.md, "Tests". A test whose part is not there skips itself by name.
export default defineConfig({
  test: {
    pool: 'forks',
    // tests that wait for a scheduler may wait together
    maxConcurrency: 24,
    // whole installations are started; two at once would measure each other
    maxWorkers: 1,
    hookTimeout: 120_000,
    restoreMocks: true,
    sequence: { sequencer: Order },
    projects: [
      project('integration', 60_000),
      project('e2e', 60_000),
      project('workflow', 30_000, { sequence: { groupOrder: 2 } }),
      project('unit', 20_000, { maxWorkers: 2, sequence: { groupOrder: 3 } }),
    ],
  },
});
