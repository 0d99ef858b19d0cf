import { defineConfig } from 'vitest/config';

const project = (name: string, testTimeout: number) => ({
  extends: true as const,
  test: { name, include: [`test/${name}/**/*.test.ts`], testTimeout },
});

// What each needs is said in the table of tests in README.md. A test whose part is not there skips itself by name.
export default defineConfig({
  test: {
    pool: 'forks',
    // tests that wait for a scheduler may wait together
    maxConcurrency: 24,
    maxWorkers: 2,
    // whole installations are started; two at once would measure each other
    fileParallelism: false,
    hookTimeout: 120_000,
    restoreMocks: true,
    projects: [
      project('unit', 20_000),
      project('workflow', 30_000),
      project('integration', 60_000),
      project('e2e', 60_000),
    ],
  },
});
