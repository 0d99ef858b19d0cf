import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { aKilim, type Kilim } from '../support/kilim.js';
import { part } from '../support/testbed.js';

/* alice's systems: bob may run jobs on `vm`, and write to one directory of `store`. */
describe.runIf(part('vm-ssh') && part('store-ssh'))(
  'a job of another user than the owner of the systems',
  () => {
    let kilim: Kilim;
    const drop = `drop-${process.pid}`;
    const home = part('store-ssh')?.home ?? '';
    const secret = join(home, `secret-${process.pid}`);
    const permit = (path: string, body: object) => kilim.call('POST', path, body);
    beforeAll(async () => {
      kilim = await aKilim();
      mkdirSync(secret);
      writeFileSync(join(secret, 'authorized_keys'), 'those of alice');
      await permit('/v3/systems/perms/vm/user/bob', { permissions: ['READ', 'EXECUTE'] });
      await permit('/v3/apps/perms/zip-app/user/bob', { permissions: ['READ', 'EXECUTE'] });
      await permit('/v3/systems/perms/store/user/bob', { permissions: ['READ'] });
      await permit(`/v3/files/permissions/store/${drop}`, { username: 'bob', permission: 'MODIFY' });
    });
    afterAll(async () => {
      await kilim.stop();
      for (const dir of [secret, join(home, drop)]) rmSync(dir, { recursive: true, force: true });
    });

    const ended = async (script: string, more: Record<string, unknown> = {}) => {
      const { parameterSet, ...rest } = more as { parameterSet?: object };
      const request = {
      name: 'attack', appId: 'zip-app', appVersion: '1', execSystemId: 'vm', archiveSystemId: 'store', archiveSystemDir: drop, ...rest,
      parameterSet: { ...parameterSet, appArgs: [{ arg: `'eval "$SCRIPT"'` }], envVariables: [{ key: 'SCRIPT', value: script }] },
    }; // prettier-ignore
      const { result, message } = await kilim.call('POST', '/v3/jobs/submit', request, 'bob');
      const { uuid } = (result ?? {}) as { uuid?: string };
      if (!uuid) throw new Error(message);
      const get = async () =>
      (await kilim.call('GET', `/v3/jobs/${uuid}`, undefined, 'bob')).result as { status: string; lastMessage: string }; // prettier-ignore
      const isOver = async (): Promise<boolean> => ['FINISHED', 'FAILED'].includes((await get()).status);
      await expect.poll(isOver, { interval: 100, timeout: 40_000 }).toBe(true);
      return { uuid, ...(await get()) };
    };

    it('keeps the links within its archive, loses those that lead out, and says so', async () => {
      const script = `cd output; echo fine > fine; ln -s fine within; ln -s ../${secret.split('/').at(-1) ?? ''} l; ln -s ${secret} m`;
      const { uuid, status, lastMessage } = await ended(script);
      expect([status, lastMessage]).toEqual(['FINISHED', expect.anything()]);
      expect(readdirSync(join(home, drop)).sort()).toEqual(['fine', 'tapisjob.out', 'tapisjob.sh', 'within']);
      const { result } = await kilim.call('GET', `/v3/jobs/${uuid}/history`, undefined, 'bob');
      expect(JSON.stringify(result)).toMatch(/2 of the outputs did not stay in the archive on store: links that lead out/); // prettier-ignore
    });

    it.each([
      ['with the filter', ['l/*']],
      ['without a filter', []],
    ])('writes nothing through a link that lies in the archive, %s', async (_, includes) => {
      if (!existsSync(join(home, drop))) await ended('true');
      if (!lstatSync(join(home, drop, 'l'), { throwIfNoEntry: false }))
        symlinkSync(secret, join(home, drop, 'l'));
      const script = 'mkdir output/l; echo those of bob > output/l/authorized_keys; echo x > output/l/more';
      const { status, lastMessage } = await ended(script, { parameterSet: { archiveFilter: { includes } } });
      expect([status, lastMessage]).toEqual(['FAILED', expect.stringContaining('nothing is written through a link, and l is one')]); // prettier-ignore
      expect(readdirSync(secret)).toEqual(['authorized_keys']);
      expect(readFileSync(join(secret, 'authorized_keys'), 'utf8')).toBe('those of alice');
    });

    it('shows nothing of the system through a link in its outputs, and nothing at all once the right is taken back', async () => {
      const script = 'cd output; echo mine > mine; ln -s "$HOME" r';
      const { uuid } = await ended(script, { archiveSystemId: 'vm', archiveSystemDir: undefined, archiveMode: 'NEVER' }); // prettier-ignore
      const read = async (path: string) => {
        const said = await kilim.call('GET', `/v3/jobs/${uuid}/output/list/${path}`, undefined, 'bob');
        return said.status;
      };
      expect([await read(''), await read('mine'), await read('r'), await read('r/.ssh')]).toEqual([200, 200, 403, 403]); // prettier-ignore
      await permit('/v3/systems/perms/vm/user/bob/revoke', { permissions: ['READ', 'EXECUTE'] });
      expect([await read(''), await read('mine'), await read('r')]).toEqual([403, 403, 403]);
    });
  },
);
