import { bundleWorkflowCode, Worker } from '@temporalio/worker';
import { expect, it } from 'vitest';

import { bundleOptions, readHistory, recorded } from './engine.js';

/*
 * Jobs that were begun by an earlier build must go on with this one. When a change of the workflows breaks one of these,
 * it needs `patched` (workflows/README.md); new recordings are for new kinds of lives.
 */
const bundle = await bundleWorkflowCode(bundleOptions);

it('has a recording of every kind of life', () => {
  expect(recorded()).toEqual(
    ['blocked', 'cancelled', 'direct', 'failed', 'paused', 'quick', 'uneventful', 'worker-lost'].map(
      (name) => `${name}.json`,
    ),
  );
});

it.each(recorded())('replays %s', async (name) => {
  await Worker.runReplayHistory({ workflowBundle: bundle }, readHistory(name));
});

it('is code for the sandbox: no zod, nothing of Node, and small', () => {
  const code = bundle.code.replace(/\n\/\/# sourceMappingURL=.*$/, '');
  expect(code).not.toMatch(/ZodObject|require\("node:|ssh2|kysely/);
  expect(Buffer.byteLength(code)).toBeLessThan(2_000_000);
});
