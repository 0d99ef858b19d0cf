import { execFileSync } from 'node:child_process';
import { appendFileSync, mkdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { control } from '../support/cluster-host.js';
import { aGate, type Gate } from '../support/gate.js';
import { aKilim, HELD, letGo, startsOf, type JobRecord, type Kilim } from '../support/kilim.js';
import { part } from '../support/testbed.js';

/* What may pass blocks a job and says why; it never fails it. One real cause after the other. */

const vm = part('vm-ssh');
const store = part('store-ssh');
const isRoot = process.getuid?.() === 0;

const parameterSet = (script: string) => ({
  appArgs: [{ arg: `'eval "$SCRIPT"'` }],
  envVariables: [{ key: 'SCRIPT', value: script }],
});

describe('on this machine', () => {
  let kilim: Kilim;
  let inputs: Server;
  let answer: Promise<ServerResponse>;
  const url = (): string => `http://127.0.0.1:${(inputs.address() as AddressInfo).port}/in.txt`;

  beforeAll(async () => {
    kilim = await aKilim({ env: { KILIM_ALLOW_PRIVATE_FETCH: 'true', KILIM_LOCAL_USERS: 'alice' } });
    answer = new Promise((resolve) => {
      inputs = createServer((_request, response) => resolve(response));
    });
    await new Promise<void>((resolve) => inputs.listen(0, '127.0.0.1', resolve));
  });
  afterAll(async () => {
    inputs.close();
    await kilim.stop();
  });

  it('a disabled system blocks what has begun, until it is enabled', async () => {
    const uuid = await kilim.submit({
      appId: 'zip-app',
      execSystemId: 'here',
      fileInputs: [{ name: 'in', sourceUrl: url(), targetPath: 'in.txt' }],
      parameterSet: parameterSet('cat in.txt'),
    });
    const response = await answer;
    await kilim.call('POST', '/v3/systems/here/disable');
    response.end('arrived');
    const job = await kilim.until(uuid, 'BLOCKED', 60);
    expect(job.lastMessage).toMatch(/The system here is not enabled.*Enable the system/s);
    await kilim.call('POST', '/v3/systems/here/enable');
    await kilim.until(uuid, 'FINISHED', 60);
    expect(await kilim.output(uuid)).toBe('arrived');
  }, 120_000);

  it('a disabled system lets what runs there come to its end', async () => {
    const submit = (script: string): Promise<string> =>
      kilim.submit({
        appId: 'zip-app',
        execSystemId: 'here',
        archiveMode: 'NEVER',
        parameterSet: parameterSet(script),
      });
    const uuid = await submit(`${HELD}; echo done; exit 4`);
    await kilim.until(uuid, 'RUNNING', 60);
    await kilim.call('POST', '/v3/systems/here/disable');
    letGo(`${kilim.home}/data/here/workdir/jobs/${uuid}`);
    const job = await kilim
      .until(uuid, 'FAILED', 60)
      .finally(() => kilim.call('POST', '/v3/systems/here/enable'));
    expect(job).toMatchObject({ condition: 'JOB_REMOTE_OUTCOME_ERROR', remoteResultInfo: '4' });
    expect(job.lastMessage).toContain('done');
  }, 120_000);

  it('a limit blocks, and so does an application that was disabled meanwhile; all go on in the end', async () => {
    expect((await kilim.call('PATCH', '/v3/systems/here', { jobMaxJobs: 1 })).status).toBe(200);
    const submit = (script: string): Promise<string> =>
      kilim.submit({ appId: 'zip-app', execSystemId: 'here', parameterSet: parameterSet(script) });
    const first = await submit(HELD);
    await kilim.until(first, 'RUNNING', 60);
    const second = await submit('date +%s%N');
    const job = await kilim.until(second, 'BLOCKED', 60);
    expect(job.lastMessage).toMatch(/limit of 1 active job .*is reached/);
    const third = await submit('date +%s%N');
    await kilim.until(third, 'BLOCKED', 60);
    const told = await kilim.call('GET', `/v3/jobs/${third}/explain`);
    expect(JSON.stringify(told)).toContain('1 job waits for the same limit since before it');
    await kilim.call('POST', '/v3/apps/zip-app/disable');
    letGo(`${kilim.home}/data/here/workdir/jobs/${first}`);
    await kilim.until(first, 'FINISHED', 60);
    const says = async (uuid: string): Promise<string> => (await kilim.get(uuid)).lastMessage;
    await expect
      .poll(() => says(second), { timeout: 30_000 })
      .toContain('The application zip-app 1 is not enabled');
    await kilim.call('POST', '/v3/apps/zip-app/enable');
    await kilim.until(second, 'FINISHED', 90);
    await kilim.until(third, 'FINISHED', 90);
    // whichever of the two looks first when the application is back takes the place
    expect(await kilim.output(second)).toMatch(/^\d+\n$/);
    expect(await kilim.output(third)).toMatch(/^\d+\n$/);
    await kilim.call('PATCH', '/v3/systems/here', { jobMaxJobs: -1 });
  }, 240_000);
});

describe.runIf(vm && store && isRoot)('over SSH', () => {
  let kilim: Kilim;
  let gate: Gate;
  const home = vm?.home ?? '';

  beforeAll(async () => {
    kilim = await aKilim({ env: { KILIM_BLOCKED_LIMIT_MINUTES: '1', KILIM_HOST_DOWN_LIMIT_MINUTES: '3' } });
    gate = await aGate(kilim, 'gate');
  });
  afterAll(async () => {
    await gate.close();
    await kilim.stop();
  });

  const submit = (script: string, more: Record<string, unknown> = {}): Promise<string> =>
    kilim.submit({ appId: 'zip-app', execSystemId: 'gate', parameterSet: parameterSet(script), ...more });
  const blocked = (uuid: string): Promise<JobRecord> => kilim.until(uuid, 'BLOCKED', 90);
  /** Repaired; whoever repaired it need not wait for the next look. */
  const resumed = async (uuid: string): Promise<void> => {
    await kilim.call('POST', `/v3/jobs/${uuid}/resume`);
    await kilim.until(uuid, 'FINISHED', 90);
  };

  // these two wait for minutes, of different hosts
  it.concurrent(
    'an sshd that is away for a minute: ten jobs wait, none fails, the host is hardly asked',
    async () => {
      const running = await Promise.all([1, 2, 3, 4, 5].map(() => submit(`${HELD}; echo done`)));
      for (const uuid of running) await kilim.until(uuid, 'RUNNING', 60);
      control('stop', 'vm-ssh');
      for (const uuid of running) letGo(`${home}/workdir/jobs/${uuid}`); // they end while nobody can look
      const before = gate.opened();
      const down = Date.now();
      const fresh = await Promise.all([1, 2, 3, 4, 5].map(() => submit('echo done')));
      const all = [...running, ...fresh];
      for (const uuid of fresh) expect((await blocked(uuid)).lastMessage).toMatch(/cannot be reached|broke/);
      const { result } = await kilim.call('GET', `/v3/jobs/${fresh[0]}/explain`);
      expect(result).toMatchObject({
        status: 'BLOCKED',
        explanation: expect.stringMatching(/cannot be reached|broke/) as string,
        next: expect.stringMatching(/looked at again at|under way/) as string,
      });
      while (Date.now() - down < 60_000) {
        for (const uuid of all) expect(['RUNNING', 'BLOCKED']).toContain((await kilim.get(uuid)).status);
        await new Promise((resolve) => setTimeout(resolve, 2_000));
      }
      const asked = gate.opened() - before;
      control('start', 'vm-ssh');
      for (const uuid of all) {
        expect((await kilim.until(uuid, 'FINISHED', 120)).remoteResultInfo).toBe('0');
        expect(await kilim.output(uuid)).toBe('done\n');
        expect(startsOf(`${home}/workdir/jobs/${uuid}`, uuid)).toBe(1);
      }
      expect(asked).toBeLessThanOrEqual(40);
    },
    400_000,
  );

  it.concurrent(
    'a full disk, until there is room; and when there never is, the job fails by its own condition',
    async () => {
      const small = join(store?.home ?? '', 'small');
      mkdirSync(small, { recursive: true });
      const { uid, gid } = statSync(store?.home ?? '');
      execFileSync('mount', [
        '-t',
        'tmpfs',
        '-o',
        `size=2m,uid=${uid},gid=${gid},mode=755`,
        'kilim-small',
        small,
      ]);
      try {
        appendFileSync(join(small, 'filler'), Buffer.alloc(2 * 1024 * 1024));
        const where = (name: string) => ({ execSystemId: 'store', execSystemExecDir: `small/${name}`, execSystemInputDir: `small/${name}/in`, execSystemOutputDir: `small/${name}/out`, archiveMode: 'NEVER' }); // prettier-ignore
        const hopeless = await submit('echo room', where('hopeless'));
        expect((await blocked(hopeless)).lastMessage).toMatch(/[Nn]o space.*Free space/s);
        const failed = await kilim.until(hopeless, 'FAILED', 240);
        expect(failed.condition).toBe('JOB_RECOVERY_TIMEOUT');
        const uuid = await submit('echo room', where('patient'));
        await blocked(uuid);
        rmSync(join(small, 'filler'));
        await resumed(uuid);
      } finally {
        execFileSync('umount', [small]);
      }
    },
    400_000,
  );

  it('a refused login', async () => {
    const keys = join(home, '.ssh/authorized_keys');
    renameSync(keys, `${keys}.away`);
    try {
      gate.drop();
      const uuid = await submit('echo let in');
      expect((await blocked(uuid)).lastMessage).toMatch(/refused the login.*credential/s);
      renameSync(`${keys}.away`, keys);
      await resumed(uuid);
    } finally {
      rmSync(`${keys}.away`, { force: true });
    }
  }, 240_000);

  it('a changed host key, until the owner accepts it', async () => {
    const bed = JSON.parse(process.env['KILIM_TESTBED'] ?? '{}') as {
      parts: { 'vm-ssh': { hostKeyFile: string } };
    };
    const key = bed.parts['vm-ssh'].hostKeyFile.replace(/\.pub$/, '');
    const move = (from: string, to: string): void => {
      for (const end of ['', '.pub']) renameSync(`${from}${end}`, `${to}${end}`);
    };
    await kilim.until(await submit('echo the key is known'), 'FINISHED', 60);
    control('stop', 'vm-ssh');
    move(key, `${key}-of-before`);
    try {
      execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', key]);
      control('start', 'vm-ssh');
      const uuid = await submit('echo accepted');
      expect((await blocked(uuid)).lastMessage).toMatch(/host key of .* changed from .*must accept/s);
      expect((await kilim.call('POST', '/v3/systems/gate/hostKey', {})).status).toBe(200);
      await resumed(uuid);
    } finally {
      control('stop', 'vm-ssh');
      move(`${key}-of-before`, key);
      control('start', 'vm-ssh');
      await kilim.call('POST', '/v3/systems/gate/hostKey', {});
    }
  }, 240_000);
});
