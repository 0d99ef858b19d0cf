import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { aKilim, startsOf, type Kilim } from '../support/kilim.js';

let kilim: Kilim;
beforeAll(async () => {
  kilim = await aKilim();
});
afterAll(() => kilim.stop());

const submit = (script: string): Promise<string> =>
  kilim.submit({
    appId: 'zip-app',
    execSystemId: 'here',
    parameterSet: {
      appArgs: [{ arg: `'eval "$SCRIPT"'` }],
      envVariables: [{ key: 'SCRIPT', value: script }],
    },
  });

const startedOnce = (uuid: string): void =>
  expect(startsOf(`${kilim.home}/data/here/workdir/jobs/${uuid}`, uuid)).toBe(1);

describe.each(['worker', 'api', 'temporal'] as const)('kill -9 of the %s', (program) => {
  it.each(['PENDING', 'RUNNING'])(
    'while a job is %s: it ends FINISHED, started once, with its true exit code',
    async (status) => {
      const uuid = await submit('sleep 1; echo done');
      if (status === 'RUNNING') await kilim.until(uuid, 'RUNNING');
      kilim.kill(program);
      const job = await kilim.until(uuid, 'FINISHED', 80);
      expect(job.remoteResultInfo).toBe('0');
      expect(await kilim.output(uuid)).toBe('done\n');
      startedOnce(uuid);
    },
    100_000,
  );
});
