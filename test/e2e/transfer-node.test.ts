import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { aKilim, type Kilim } from '../support/kilim.js';
import { cluster, part } from '../support/testbed.js';

const vm = part('vm-ssh');
const store = part('store-ssh');
const login = cluster('hpc-slurm');
const shell = (script: string): Record<string, unknown> => ({
  appArgs: [{ arg: `'eval "$SCRIPT"'` }],
  envVariables: [{ key: 'SCRIPT', value: script }],
});

/* A system through whose transfer node data goes: the node has the same files, and is another way to them. */
describe.runIf(vm && store)('a data transfer node', () => {
  let kilim: Kilim;
  const home = vm?.home ?? '/nonexistent';
  const ofStore = store?.home ?? '/nonexistent';
  const name = `dtn-${process.pid}`;

  async function register(
    id: string,
    host: { port?: number; user?: string; privateKeyFile?: string },
    more: object,
    owner = 'alice',
  ) {
    const system = {
      id, systemType: 'LINUX', host: '127.0.0.1', port: host.port, defaultAuthnMethod: 'PKI_KEYS', effectiveUserId: host.user, rootDir: home,
      canExec: false, authnCredential: { privateKey: readFileSync(host.privateKeyFile ?? '', 'utf8') }, ...more,
    }; // prettier-ignore
    const { status, message } = await kilim.call('POST', '/v3/systems', system, owner);
    if (status >= 300) throw new Error(message);
  }
  const runs = (dtnSystemId: string) => ({
    canExec: true, jobWorkingDir: `${name}/work`, jobRuntimes: [{ runtimeType: 'ZIP' }], dtnSystemId,
  }); // prettier-ignore

  beforeAll(async () => {
    kilim = await aKilim();
    mkdirSync(join(ofStore, name, 'tree/deep'), { recursive: true });
    writeFileSync(join(ofStore, name, 'one.txt'), 'one\n');
    writeFileSync(join(ofStore, name, 'tree/deep/two words.txt'), 'two\n');
    await register('node', vm ?? {}, {});
    await register('vm-by-node', vm ?? {}, runs('node'));
  });
  afterAll(async () => {
    await kilim.stop();
    for (const dir of [name, `${name}-out`, `${name}-some`, `${name}-lost`])
      rmSync(join(ofStore, dir), { recursive: true, force: true });
    rmSync(join(home, name), { recursive: true, force: true });
    rmSync(join('/tmp', name), { recursive: true, force: true });
  });

  it('brings inputs in and takes outputs out, and keeps nothing', async () => {
    const uuid = await kilim.submit({
      appId: 'zip-app', execSystemId: 'vm-by-node', archiveSystemId: 'store', archiveSystemDir: `${name}-out`,
      dtnSystemInputDir: `${name}/in`, dtnSystemOutputDir: `${name}/\${JobOwner}-out`,
      fileInputs: [
        { name: 'one', sourceUrl: `tapis://store/${name}/one.txt` },
        { name: 'tree', sourceUrl: `tapis://store/${name}/tree` },
      ],
      parameterSet: shell('cat one.txt "tree/deep/two words.txt"; mkdir output/sub; echo made > "output/sub/it\'s.txt"; ln -s sub output/link'),
    }); // prettier-ignore
    const job = await kilim.until(uuid, 'FINISHED', 60);
    expect(job).toMatchObject({
      dtnSystemId: 'node', dtnSystemInputDir: `/${name}/in`, dtnSystemOutputDir: `/${name}/alice-out`,
    }); // prettier-ignore

    const archive = join(ofStore, `${name}-out`);
    expect(readFileSync(join(archive, 'tapisjob.out'), 'utf8')).toBe('one\ntwo\n');
    expect(readFileSync(join(archive, "sub/it's.txt"), 'utf8')).toBe('made\n');
    expect(readdirSync(archive).sort()).toEqual(['link', 'sub', 'tapisjob.out', 'tapisjob.sh']);
    // moved, not copied; the job's own folders of the node are gone
    expect(readdirSync(join(home, name, 'in'))).toEqual([]);
    expect(readdirSync(join(home, name, 'alice-out'))).toEqual([]);
    expect(readdirSync(join(home, name, 'work/jobs', uuid, 'output'))).toEqual([]);
    expect(readdirSync(join(home, name, 'work/jobs', uuid))).toContain('one.txt');
  });

  it('sends what the filters select, and leaves the rest on the host', async () => {
    const uuid = await kilim.submit({
      appId: 'zip-app', execSystemId: 'vm-by-node', archiveSystemId: 'store', archiveSystemDir: `${name}-some`, dtnSystemOutputDir: `${name}/out`,
      parameterSet: { ...shell('mkdir -p output/a/b; touch output/a/b/yes.dat output/no.dat'), archiveFilter: { includes: ['a/**'], includeLaunchFiles: false } },
    }); // prettier-ignore
    await kilim.until(uuid, 'FINISHED', 60);
    expect(readdirSync(join(ofStore, `${name}-some`), { recursive: true }).sort()).toEqual([
      'a',
      'a/b',
      'a/b/yes.dat',
    ]);
    expect(readdirSync(join(home, name, 'work/jobs', uuid, 'output')).sort()).toEqual([
      'a',
      'no.dat',
      'tapisjob.out',
    ]);
  });

  it('is waited for where its own host is down', async () => {
    const dead = { ...vm, port: 9 };
    await register('gone', vm ?? {}, {});
    await register('vm-by-gone', vm ?? {}, runs('gone'));
    await kilim.call('PATCH', '/v3/systems/gone', { port: dead.port });
    const uuid = await kilim.submit({
      appId: 'zip-app', execSystemId: 'vm-by-gone', dtnSystemInputDir: `${name}/in`, parameterSet: shell('true'),
      fileInputs: [{ name: 'one', sourceUrl: `tapis://store/${name}/one.txt` }],
    }); // prettier-ignore
    await kilim.until(uuid, 'BLOCKED', 30);
    await kilim.call('PATCH', '/v3/systems/gone', { port: vm?.port });
    await kilim.call('POST', `/v3/jobs/${uuid}/resume`);
    await kilim.until(uuid, 'FINISHED', 60);
  });

  it.runIf(login)('that has other files than the execution host fails the job, and says so', async () => {
    const alice = login?.users['alice'];
    const root = { rootDir: '/tmp' };
    await register('stranger', { port: login?.port ?? 0, user: 'alice', ...alice }, root);
    await register('vm-by-stranger', vm ?? {}, { ...runs('stranger'), ...root });
    const uuid = await kilim.submit({
      appId: 'zip-app', execSystemId: 'vm-by-stranger', dtnSystemInputDir: `${name}/in`, parameterSet: shell('true'),
      fileInputs: [{ name: 'one', sourceUrl: `tapis://store/${name}/one.txt` }],
    }); // prettier-ignore
    const job = await kilim.until(uuid, 'FAILED', 60);
    expect(job.lastMessage).toMatch(
      /The inputs are in .*in.* of stranger, but vm-by-stranger does not show them/,
    );
  });

  it('is refused where the owner of the system may not read it, or it has another rootDir', async () => {
    await register('elsewhere', vm ?? {}, { rootDir: '/tmp' });
    await register('of-bob', vm ?? {}, {}, 'bob');
    for (const dtnSystemId of ['elsewhere', 'of-bob']) {
      const { status, message } = await kilim.call('PATCH', '/v3/systems/vm-by-node', { dtnSystemId });
      expect([status, message]).toEqual([400, expect.stringContaining('dtnSystemId')]);
    }
  });

  it.runIf(login)('that does not show the outputs keeps them, and the job says so', async () => {
    const uuid = await kilim.submit({
      appId: 'zip-app', execSystemId: 'vm-by-stranger', archiveSystemId: 'store', archiveSystemDir: `${name}-lost`,
      dtnSystemOutputDir: `${name}/out`, parameterSet: shell('echo precious > output/result'),
    }); // prettier-ignore
    const job = await kilim.until(uuid, 'FAILED', 60);
    expect(job).toMatchObject({
      condition: 'JOB_ARCHIVING_FAILED',
      lastMessage: expect.stringMatching(/are in .*out.* stranger does not show them/) as string,
    });
    expect(readFileSync(join('/tmp', name, 'out', uuid, 'result'), 'utf8')).toBe('precious\n');
  });
});
