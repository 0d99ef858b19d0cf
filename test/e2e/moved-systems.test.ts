import { appendFileSync, chownSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { withSshd, type OwnSshd } from '../support/an-sshd.js';
import { aKilim, anyPort, cancelAll, HELD, letGo, type Kilim } from '../support/kilim.js';
import { part } from '../support/testbed.js';

/* Systems that are moved to another host: two real sshds, of which the second belongs to the attacker and has a home of its own. */

const vm = part('vm-ssh');
const isRoot = process.getuid?.() === 0;

describe.runIf(vm && isRoot)('a system that was moved', () => {
  const home = vm?.home ?? '';
  const login = vm?.user ?? '';
  let kilim: Kilim;
  let evilHome: string;

  beforeAll(async () => {
    kilim = await aKilim();
    await ok('POST', '/v3/apps', 'bob', { id: 'bob-app', version: '1', runtime: 'ZIP', containerImage: `${kilim.home}/apps/shell.tar` }); // prettier-ignore
  }, 60_000);
  beforeEach(() => {
    evilHome = mkdtempSync(join(tmpdir(), 'kilim-evil-'));
    chownSync(evilHome, statSync(home).uid, statSync(home).gid);
    return () => rmSync(evilHome, { recursive: true, force: true });
  });
  afterAll(async () => {
    await cancelAll(kilim);
    await kilim.stop();
  });

  async function ok(method: string, path: string, user: string, body?: unknown): Promise<string> {
    const said = await kilim.call(method, path, body, user);
    if (said.status > 201) throw new Error(`${method} ${path}: ${said.status} ${said.message}`);
    return said.message;
  }

  /** The second sshd, where a login finds another home directory. */
  const withEvil = (use: (evil: OwnSshd) => Promise<void>): Promise<void> =>
    withSshd({ settings: [`ForceCommand exec env HOME=${evilHome} bash -c "$SSH_ORIGINAL_COMMAND"`] }, use);

  const register = (id: string, owner: string, port: number | undefined, more: object = {}): Promise<string> =>
    ok('POST', '/v3/systems', owner, {
      id, systemType: 'LINUX', host: '127.0.0.1', port, defaultAuthnMethod: 'PKI_KEYS', effectiveUserId: login, rootDir: home,
      canExec: true, jobWorkingDir: 'workdir', jobRuntimes: [{ runtimeType: 'ZIP' }], ...more,
    }); // prettier-ignore

  const give = (systemId: string, userName: string, by: string, more: object = {}): Promise<string> =>
    ok('POST', `/v3/systems/credential/${systemId}/user/${userName}`, by, {
      privateKey: readFileSync(vm?.privateKeyFile ?? '', 'utf8'),
      publicKey: readFileSync(`${vm?.privateKeyFile}.pub`, 'utf8'),
      ...more,
    });

  const submit = async (user: string, execSystemId: string, script: string): Promise<string> => {
    const request = {
      name: 'test', appId: user === 'bob' ? 'bob-app' : 'zip-app', appVersion: '1', execSystemId, archiveMode: 'NEVER',
      parameterSet: { appArgs: [{ arg: `'eval "$SCRIPT"'` }], envVariables: [{ key: 'SCRIPT', value: script }] },
    }; // prettier-ignore
    const said = await kilim.call('POST', '/v3/jobs/submit', request, user);
    if (said.status !== 200) throw new Error(said.message);
    return (said.result as { uuid: string }).uuid;
  };

  const statusOf = async (uuid: string, user: string): Promise<string> =>
    ((await kilim.call('GET', `/v3/jobs/${uuid}/status`, undefined, user)).result as { status: string })
      .status;
  const until = (uuid: string, status: string, user: string): Promise<unknown> =>
    expect.poll(() => statusOf(uuid, user), { timeout: 60_000, interval: 100 }).toBe(status);

  /** Writes to the event log of the host, as its owner can, that these jobs have ended well. */
  const tellTheEndOf = (...uuids: string[]): void => {
    const state = join(evilHome, '.kilim');
    for (const installation of readdirSync(state))
      for (const log of readdirSync(join(state, installation, 'events')))
        appendFileSync(
          join(state, installation, 'events', log),
          uuids.map((uuid) => `${uuid} 1 END 0 ${Date.now()}\n`).join(''),
        );
  };

  it('ends no job of another system with the same address and login name', async () => {
    await withEvil(async (evil) => {
      await register('bobs', 'bob', vm?.port, { rootDir: evilHome });
      const first = await submit('bob', 'bobs', HELD);
      await until(first, 'BLOCKED', 'bob'); // bob has no credential for the other host
      await ok('PATCH', '/v3/systems/bobs', 'bob', { port: evil.port });
      await give('bobs', login, 'bob');
      await ok('POST', `/v3/jobs/${first}/resume`, 'bob');
      await until(first, 'RUNNING', 'bob');
      const own = await submit('alice', 'vm', `${HELD}; exit 3`);
      await until(own, 'RUNNING', 'alice');

      tellTheEndOf(own, first);

      await until(first, 'FINISHED', 'bob'); // the end of this job shows that the event log was read
      expect(await statusOf(own, 'alice')).toBe('RUNNING');
      letGo(`${home}/workdir/jobs/${own}`);
      await until(own, 'FAILED', 'alice');
      expect((await kilim.get(own)).remoteResultInfo).toBe('3');
    });
  }, 180_000);

  it('ends no job that another user launched before, whatever host key its owner accepts', async () => {
    await withEvil(async (evil) => {
      await register('shared', 'bob', vm?.port, { effectiveUserId: '${apiUserId}' });
      await ok('POST', '/v3/systems/perms/shared/user/alice', 'bob', { permissions: ['READ', 'EXECUTE'] });
      await give('shared', 'alice', 'alice', { loginUser: login });
      const own = await submit('alice', 'shared', `${HELD}; exit 3`);
      await until(own, 'RUNNING', 'alice');

      await ok('PATCH', '/v3/systems/shared', 'bob', { port: evil.port });
      await give('shared', 'alice', 'bob', { loginUser: login });
      await give('shared', 'bob', 'bob', { loginUser: login });
      await ok('POST', '/v3/systems/shared/hostKey', 'bob');
      const bobs = await submit('bob', 'shared', HELD);
      await until(bobs, 'RUNNING', 'bob');
      tellTheEndOf(own, bobs);
      await until(bobs, 'FINISHED', 'bob');
      await until(own, 'BLOCKED', 'alice');
      expect((await kilim.get(own)).lastMessage).toMatch(
        /launched on the host with the key SHA256:.*must accept/s,
      );

      await ok('PATCH', '/v3/systems/shared', 'bob', { port: vm?.port });
      await give('shared', 'alice', 'alice', { loginUser: login });
      letGo(`${home}/workdir/jobs/${own}`);
      await ok('POST', `/v3/jobs/${own}/resume`, 'alice');
      await until(own, 'FAILED', 'alice');
      expect((await kilim.get(own)).remoteResultInfo).toBe('3');
    });
  }, 240_000);

  it('is sent no credential that was given for its former address, neither for files nor for jobs', async () => {
    await withEvil(async (evil) => {
      await register('moves', 'alice', vm?.port);
      await ok('POST', '/v3/systems/perms/moves/user/bob', 'alice', { permissions: ['READ', 'MODIFY'] });
      await give('moves', login, 'alice');
      const files = (): Promise<{ status: number; message: string }> =>
        kilim.call('GET', '/v3/files/ops/moves/workdir');
      expect((await files()).status).toBe(200);
      const uuid = await submit('alice', 'moves', HELD);
      await until(uuid, 'RUNNING', 'alice');

      await ok('PATCH', '/v3/systems/moves', 'bob', { port: evil.port });
      const refused = await files();
      expect(refused.status).toBe(400);
      expect(refused.message).toContain(`was given for ${login}@127.0.0.1:${vm?.port}`);
      const newer = await submit('alice', 'moves', 'echo done');
      await until(newer, 'BLOCKED', 'alice');
      expect((await kilim.get(newer)).lastMessage).toContain(
        `POST /v3/systems/credential/moves/user/${login}`,
      );
      expect(evil.log()).not.toContain('Connection from');

      await ok('PATCH', '/v3/systems/moves', 'alice', { port: vm?.port });
      letGo(`${home}/workdir/jobs/${uuid}`);
      await ok('POST', `/v3/jobs/${newer}/resume`, 'alice');
      for (const one of [newer, uuid]) await until(one, 'FINISHED', 'alice');
      expect(evil.log()).not.toContain('Connection from');
    });
  }, 240_000);

  it('lets a job go on that was BLOCKED at a wrong port, by itself, when port and credential are right', async () => {
    await register('corrected', 'alice', await anyPort());
    await ok('POST', `/v3/systems/credential/corrected/user/${login}?skipCredentialCheck=true`, 'alice', { password: 'of the wrong port' }); // prettier-ignore
    const uuid = await submit('alice', 'corrected', 'echo done');
    await until(uuid, 'BLOCKED', 'alice');
    expect((await kilim.get(uuid)).lastMessage).toContain('could not be logged in to');

    await ok('PATCH', '/v3/systems/corrected', 'alice', { port: vm?.port });
    const explained = async (): Promise<string> =>
      JSON.stringify((await kilim.call('GET', `/v3/jobs/${uuid}/explain`)).result);
    await expect.poll(explained, { timeout: 30_000, interval: 300 }).toContain('Give it again');
    await give('corrected', login, 'alice');
    await until(uuid, 'FINISHED', 'alice');
    expect(readFileSync(`${home}/workdir/jobs/${uuid}/output/tapisjob.out`, 'utf8')).toBe('done\n');
  }, 180_000);
});
