import { afterEach, expect, it, vi } from 'vitest';

import type { Home } from '../../../launcher/home.js';
import { nodeProgram } from '../../../launcher/programs.js';

const home: Home = {
  dir: '/home/of/kilim',
  apiPort: 1,
  temporalPort: 2,
  uiPort: 3,
  metricsPort: 4,
  lock: { addChild: () => undefined, release: () => undefined },
};

afterEach(() => vi.unstubAllEnvs());

it.each([
  [{}, 'true'],
  [{ KILIM_HOST: '127.0.0.1' }, 'true'],
  [{ KILIM_HOST: '0.0.0.0' }, 'false'],
  [{ KILIM_HOST: '192.0.2.1' }, 'false'],
  [{ KILIM_HOST: '0.0.0.0', KILIM_LOCAL_EXECUTION: 'true' }, 'true'],
  [{ KILIM_LOCAL_EXECUTION: 'false' }, 'false'],
])('with %j runs of this machine are allowed: %s', (given, allowed) => {
  vi.stubEnv('KILIM_HOST', undefined);
  vi.stubEnv('KILIM_LOCAL_EXECUTION', undefined);
  for (const [name, value] of Object.entries(given)) vi.stubEnv(name, value);
  expect(nodeProgram(home, 'worker', [], {}).env['KILIM_LOCAL_EXECUTION']).toBe(allowed);
});
