import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { aKilim, processesOf, type Kilim } from '../support/kilim.js';
import { part } from '../support/testbed.js';

let kilim: Kilim;
beforeAll(async () => {
  kilim = await aKilim();
});
afterAll(() => kilim.stop());

/** One request for either runtime: the application runs the shell text in its environment (arguments refuse `;` and `|`). */
const run = (pair: Pair, script: string, more: Record<string, unknown> = {}): Promise<string> => {
  const { parameterSet, ...rest } = more as { parameterSet?: { envVariables?: unknown[] } };
  const args = pair.app === 'zip-app' ? [`'eval "$SCRIPT"'`] : ['sh', '-c', `'eval "$SCRIPT"'`];
  const envVariables = [{ key: 'SCRIPT', value: script }, ...(parameterSet?.envVariables ?? [])];
  return kilim.submit({
    appId: pair.app,
    execSystemId: pair.system,
    ...rest,
    parameterSet: { ...parameterSet, appArgs: args.map((arg) => ({ arg })), envVariables },
  });
};

interface Pair {
  app: string;
  system: string;
}
const PAIRS: Pair[] = [
  { app: 'zip-app', system: 'here' },
  ...(part('vm-ssh') ? [{ app: 'zip-app', system: 'vm' }] : []),
  ...(part('vm-ssh') && part('docker') ? [{ app: 'docker-app', system: 'vm' }] : []),
  ...(part('podman') ? [{ app: 'docker-app', system: 'podman' }] : []),
];

const expiring = new Map<Pair, string>();
beforeAll(async () => {
  for (const pair of PAIRS) expiring.set(pair, await run(pair, 'sleep 300', { maxMinutes: 1 }));
});

describe.each(PAIRS)('$app on $system', (pair) => {
  it('runs, and its output can be downloaded', async () => {
    const uuid = await run(pair, 'echo hello from $_tapisJobName');
    const job = await kilim.until(uuid, 'FINISHED');
    expect(job).toMatchObject({
      condition: 'NORMAL_COMPLETION',
      remoteOutcome: 'FINISHED',
      remoteResultInfo: '0',
    });
    expect(await kilim.output(uuid)).toBe('hello from test\n');
  });

  // the processes of a container are the daemon's
  if (pair.app === 'zip-app')
    it('keeps on its record what it used', async () => {
      const uuid = await run(pair, 'bash -c "i=0; while [ \\$i -lt 500000 ]; do i=\\$((i + 1)); done"');
      const job = (await kilim.until(uuid, 'FINISHED')) as unknown as Record<string, Record<string, number>>;
      const { elapsedSeconds = 0, cpuSeconds = 0, nodes } = job['kilimUsage'] ?? {};
      expect(cpuSeconds).toBeGreaterThan(0.2);
      expect(cpuSeconds).toBeLessThan(elapsedSeconds + 0.5);
      expect(nodes).toBe(1);
      const told = await kilim.call('GET', `/v3/jobs/${uuid}/explain`);
      expect(JSON.stringify(told)).toContain(`used ${cpuSeconds.toFixed(1)} seconds of processor time`);
    });

  it('fails with the true exit code and its last lines', async () => {
    const uuid = await run(pair, 'echo something went wrong; exit 3');
    const job = await kilim.until(uuid, 'FAILED');
    expect(job).toMatchObject({ condition: 'JOB_REMOTE_OUTCOME_ERROR', remoteResultInfo: '3' });
    expect(job.lastMessage).toContain('exit code 3');
    expect(job.lastMessage).toContain('something went wrong');
  });

  it('tells of the signal that ended it', async () => {
    const uuid = await run(pair, 'sh -c "kill -9 \\$\\$"; exit $?');
    const job = await kilim.until(uuid, 'FAILED');
    expect(job.lastMessage).toMatch(/SIGKILL|exit code 137/);
  });

  it('leaves no process behind when it is cancelled while running', async () => {
    const uuid = await run(pair, 'sleep 300 & sleep 301');
    await kilim.until(uuid, 'RUNNING');
    expect(processesOf(uuid).length).toBeGreaterThan(0);
    await kilim.call('POST', `/v3/jobs/${uuid}/cancel`);
    const job = await kilim.until(uuid, 'CANCELLED', 40);
    expect(job.condition).toBe('CANCELLED_BY_USER');
    expect(processesOf(uuid)).toEqual([]);
    expect((await kilim.call('POST', `/v3/jobs/${uuid}/cancel`)).status).toBe(409);
  });

  // an ordinary user's Podman pauses only with cgroups of version 2: test/integration/contract.test.ts shows what it says
  if (pair.system !== 'podman')
    it('stops while it is paused and goes on when it is resumed', async () => {
      const uuid = await run(pair, 'i=0; while [ $i -lt 60 ]; do i=$((i+1)); echo $i; sleep 0.2; done');
      await kilim.until(uuid, 'RUNNING');
      await kilim.call('POST', `/v3/jobs/${uuid}/pause`);
      const paused = await kilim.until(uuid, 'PAUSED');
      expect(paused.lastMessage).toMatch(/alice.*(SIGSTOP|container paused)/);
      // a container's log reaches the file a moment later: paused means that it comes to rest
      let last = '';
      const isAtRest = async (): Promise<boolean> => {
        const before = last;
        last = await kilim.output(uuid);
        return last !== '' && last === before;
      };
      await expect.poll(isAtRest, { interval: 1_000, timeout: 10_000 }).toBe(true);
      expect(last.split('\n')).not.toContain('60');
      await kilim.call('POST', `/v3/jobs/${uuid}/resume`);
      await kilim.until(uuid, 'FINISHED');
      expect((await kilim.output(uuid)).trim().split('\n').at(-1)).toBe('60');
    });

  it('keeps environment values as they are', async () => {
    const value = `a b "c" 'd' $HOME \`x\` ;&|`;
    const uuid = await run(pair, 'printf %s "$SECRET"', {
      parameterSet: { envVariables: [{ key: 'SECRET', value }] },
    });
    await kilim.until(uuid, 'FINISHED');
    expect(await kilim.output(uuid)).toBe(value);
  });
});

describe.runIf(part('vm-ssh') && part('store-ssh'))('between two hosts', () => {
  it('brings inputs from one and archives to the other', async () => {
    const first = await run(
      { app: 'zip-app', system: 'store' },
      'mkdir $PWD/output/d; echo one > $PWD/output/d/a.txt; echo two > $PWD/output/b.log',
    );
    await kilim.until(first, 'FINISHED');
    const uuid = await run(
      { app: 'zip-app', system: 'vm' },
      'cat in/d/a.txt in/b.log > output/both.txt; echo x > output/skip.me',
      {
        archiveSystemId: 'store',
        fileInputs: [
          { name: 'tree', sourceUrl: `tapis://store/workdir/jobs/${first}/output`, targetPath: 'in' },
        ],
        parameterSet: { archiveFilter: { excludes: ['*.me'] } },
      },
    );
    await kilim.until(uuid, 'FINISHED');
    expect(await kilim.output(uuid, 'both.txt')).toBe('one\ntwo\n');
    const { result } = await kilim.call('GET', `/v3/jobs/${uuid}/output/list/`);
    expect((result as { name: string }[]).map(({ name }) => name).sort()).toEqual([
      'both.txt',
      'tapisjob.out',
      'tapisjob.sh',
    ]);
  });
});

describe.runIf(part('vm-ssh') && part('docker'))('a container image that cannot be had', () => {
  it('fails the job in the host’s own words', async () => {
    const uuid = await kilim.submit({ appId: 'docker-missing', execSystemId: 'vm' });
    const job = await kilim.until(uuid, 'FAILED', 60);
    expect(job.condition).toBe('JOB_UNABLE_TO_STAGE_JOB');
    expect(job.lastMessage).toContain('kilim/not-there:1');
  }, 70_000);
});

describe('the time limit', () => {
  it.each(PAIRS)(
    'ends $app on $system when maxMinutes are over',
    async (pair) => {
      const uuid = expiring.get(pair) ?? '';
      const job = await kilim.until(uuid, 'FAILED', 90);
      expect(job.condition).toBe('JOB_EXECUTION_MONITORING_TIMEOUT');
      expect(processesOf(uuid)).toEqual([]);
    },
    110_000,
  );
});

describe('the Jobs API', () => {
  it('gives the same job for the same Idempotency-Key and refuses another body', async () => {
    const body = (name: string) =>
      JSON.stringify({
        name,
        appId: 'zip-app',
        appVersion: '1',
        execSystemId: 'here',
        parameterSet: { appArgs: [{ arg: 'true' }] },
      });
    await kilim.call('GET', '/v3/jobs/list');
    const login = await fetch(`${kilim.url}/v3/oauth2/tokens`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ username: 'alice', password: 'alice', grant_type: 'password' }),
    });
    const token = ((await login.json()) as { result: { access_token: { access_token: string } } }).result
      .access_token.access_token;
    const post = async (text: string) => {
      const reply = await fetch(`${kilim.url}/v3/jobs/submit`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json', 'X-Tapis-Token': token, 'Idempotency-Key': 'k1' },
        body: text,
      });
      return {
        status: reply.status,
        uuid: ((await reply.json()) as { result: { uuid?: string } | null }).result?.uuid,
      };
    };
    const first = await post(body('once'));
    expect(await post(body('once'))).toEqual(first);
    expect((await post(body('other'))).status).toBe(409);
  });

  it('names every fault of a request at once', async () => {
    const { status, message } = await kilim.call('POST', '/v3/jobs/submit', {
      name: '',
      appId: 'zip-app',
      appVersion: '1',
      maxMinutes: 0,
      nonsense: 1,
    });
    expect(status).toBe(400);
    for (const word of ['name', 'maxMinutes', 'nonsense']) expect(message).toContain(word);
  });

  it('hides the jobs of others', async () => {
    const uuid = await run({ app: 'zip-app', system: 'here' }, 'true');
    expect((await kilim.call('GET', `/v3/jobs/${uuid}`, undefined, 'bob')).status).toBe(401);
    expect((await kilim.call('GET', '/v3/jobs/00000000-0000-4000-8000-000000000000-007')).status).toBe(404);
  });

  it('answers a dry run with the script and starts nothing', async () => {
    const { result } = await kilim.call('POST', '/v3/jobs/submit?dryRun=true', {
      name: 'dry',
      appId: 'zip-app',
      appVersion: '1',
      execSystemId: 'here',
      parameterSet: { appArgs: [{ arg: 'true' }] },
    });
    expect((result as { script: string }).script).toContain('#!/bin/bash');
    const { result: list } = await kilim.call('GET', '/v3/jobs/list?limit=-1');
    expect((list as { name: string }[]).map(({ name }) => name)).not.toContain('dry');
  });
});
