import { createServer, type Server } from 'node:http';
import { readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';

import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';

import { envFileOf } from '../../domain/jobs/ledger.js';
import { singularity } from '../../runtimes/singularity.js';
import { aPlan } from '../support/a-plan.js';
import { aLoginNode } from '../support/cluster-host.js';
import { aKilim, processesOf, type Kilim } from '../support/kilim.js';
import { aRegistry, type Registry } from '../support/registry.js';
import { cluster, type Cluster } from '../support/testbed.js';

/* What only Singularity has: named images, its environment, its instances. What every runtime must do is in contract.test.ts. */

const bed = cluster('hpc-slurm');

const anArg = (arg: string) => ({ arg, name: null, description: null, include: null, notes: null });

const until = (holds: () => boolean | Promise<boolean>): Promise<void> =>
  vi.waitFor(async () => expect(await holds()).toBe(true), { timeout: 90_000, interval: 100 });

describe.runIf(bed)('Singularity', { concurrent: true }, () => {
  let kilim: Kilim;
  let images: Server;
  let registry: Registry;
  const asked: string[] = [];

  beforeAll(async () => {
    kilim = await aKilim();
    registry = await aRegistry(1_500); // slow enough for other jobs to come while the first one pulls
    const image = readFileSync(bed?.images.busyboxOnThisMachine ?? '');
    images = createServer((request, response) => {
      asked.push(`${request.method} ${request.url}`);
      if (request.url?.startsWith('/missing')) response.writeHead(404).end('no such image');
      else response.end(image);
    });
    await new Promise<void>((resolve) => images.listen(0, '127.0.0.1', resolve));
  });
  afterAll(async () => {
    images.close();
    registry.close();
    await kilim.stop();
  });

  const register = async (id: string, containerImage: string): Promise<string> => {
    await kilim.call('POST', '/v3/apps', { id, version: '1', runtime: 'SINGULARITY', containerImage });
    return id;
  };
  const served = (path: string): string =>
    `http://127.0.0.1:${(images.address() as AddressInfo).port}${path}`;

  const run = (appId: string, script: string, more: Record<string, unknown> = {}): Promise<string> => {
    const { envVariables = [], containerArgs = [], ...rest } = more as Record<string, unknown[]>;
    return kilim.submit({
      appId,
      execSystemId: 'slurm',
      jobType: 'FORK',
      ...rest,
      parameterSet: {
        appArgs: ['sh', '-c', `'eval "$SCRIPT"'`].map((arg) => ({ arg })),
        containerArgs,
        envVariables: [{ key: 'SCRIPT', value: script }, ...envVariables],
      },
    });
  };

  it.each([
    ['FORK', []],
    ['BATCH', []],
    ['FORK', ['--cleanenv']],
    ['FORK', ['--compat', '--bind /home']],
  ])(
    'keeps every value of the environment as it is: %s %j',
    async (jobType, options) => {
      const value = `a,b "c" 'd' $HOME \`id\` $(id) \\\\ \\" ü; e & f | g > h\\`;
      const uuid = await run('singularity-app', 'printf "%s" "$ODD"', {
        jobType,
        containerArgs: options.map((arg) => ({ arg })),
        envVariables: [{ key: 'ODD', value }],
      });
      await kilim.until(uuid, 'FINISHED', 110);
      expect(await kilim.output(uuid)).toBe(value);
    },
    240_000,
  );

  it('leaves nothing of a container behind that hides what runs in it', async () => {
    const uuid = await run('singularity-app', 'setsid sleep 611 & sleep 612', {
      containerArgs: [{ arg: '--containall' }, { arg: '--pid' }],
    });
    await kilim.until(uuid, 'RUNNING', 110);
    await until(() => processesOf(uuid).length >= 3);
    await kilim.call('POST', `/v3/jobs/${uuid}/cancel`);
    const job = await kilim.until(uuid, 'CANCELLED', 110);
    expect(job.lastMessage).not.toContain('Warning');
    expect(processesOf(uuid)).toEqual([]);
  }, 120_000);

  it('is told no option by the name of an image, and runs one whose name looks like an option', async () => {
    const app = { id: 'option', version: '1', runtime: 'SINGULARITY', containerImage: '-x.sif' };
    const { status, message } = await kilim.call('POST', '/v3/apps', app);
    expect([status, message]).toEqual([
      400,
      expect.stringContaining('must be a path that does not begin with -'),
    ]);
    // a job may have been planned before such names were refused
    const { host, hosts } = await aLoginNode(bed as Cluster);
    try {
      const plan = aPlan({
        runtime: 'SINGULARITY',
        containerImage: '-x.sif',
        appArgs: [anArg('echo -n --y')],
      });
      const { before, run: line } = singularity.phrase(plan);
      const script = [
        'folder=$(mktemp -d) && cd "$folder" && cp /opt/images/busybox.sif ./-x.sif && touch tapisjob.env',
        ...before,
        line.replace(envFileOf(plan), 'tapisjob.env'),
        'code=$?; cd / && rm -rf -- "$folder"; exit $code',
      ].join('\n');
      const said = await host.run({ line: script, parse: (reply) => reply });
      expect(said).toMatchObject({ exitCode: 0, stdout: '--y' });
    } finally {
      hosts.close();
    }
  }, 120_000);

  it('binds what it is told, and refuses what is set by Kilim itself', async () => {
    const uuid = await run('singularity-app', 'ls /somewhere', {
      containerArgs: [{ arg: '--bind /opt/images:/somewhere' }, { arg: '-e' }],
    });
    await kilim.until(uuid, 'FINISHED', 110);
    expect(await kilim.output(uuid)).toContain('busybox.sif');
    const refused = await kilim.call('POST', '/v3/jobs/submit', {
      name: 'x',
      appId: 'singularity-app',
      appVersion: '1',
      execSystemId: 'slurm',
      parameterSet: { containerArgs: [{ arg: '--env-file /etc/passwd' }, { arg: '--bindd /a:/b' }] },
    });
    expect(refused.status).toBe(400);
    expect(refused.message).toMatch(/--env-file.*set by Kilim/);
    expect(refused.message).toMatch(/--bindd.*not an option/);
  }, 120_000);

  const plainHttp = { containerArgs: [{ arg: '--nohttps' }] };

  it('pulls an image of a registry once for all jobs of a host, and says so meanwhile', async () => {
    const app = await register('pulled', `docker://${registry.address}/busybox:${Date.now()}`);
    const jobs = await Promise.all(
      Array.from({ length: 12 }, (_, i) =>
        run(app, 'echo pulled', { jobType: i % 2 === 0 ? 'FORK' : 'BATCH', ...plainHttp }),
      ),
    );
    const says = async (): Promise<string> => (await kilim.get(jobs[0] ?? '')).lastMessage;
    await until(async () => (await says()).startsWith(`The image docker://${registry.address}`));
    for (const uuid of jobs) {
      await kilim.until(uuid, 'FINISHED', 110);
      expect(await kilim.output(uuid)).toMatch(/^pulled$/m);
    }
    const layers = registry.asked.filter((line) => /^GET .*busybox\/blobs/.test(line));
    expect(layers).toHaveLength(new Set(layers).size);
  }, 240_000);

  it('takes an image from a web server, and a folder', async () => {
    const web = await run(await register('served', served(`/${Date.now()}/busybox.sif`)), 'echo served');
    await kilim.until(web, 'FINISHED', 110);
    expect(await kilim.output(web)).toBe('served\n');
    const folder = await run(
      'singularity-app',
      'mkdir -p ../box/bin && cp /bin/busybox ../box/bin/sh && cd ../box && pwd',
    );
    await kilim.until(folder, 'FINISHED', 110);
    const path = (await kilim.output(folder)).trim();
    const uuid = await kilim.submit({
      appId: await register('folder', path),
      execSystemId: 'slurm',
      jobType: 'FORK',
      parameterSet: { appArgs: [{ arg: "-c 'echo from a folder'" }] },
    });
    await kilim.until(uuid, 'FINISHED', 110);
  }, 240_000);

  it.each([
    ['https', () => served('/missing.sif'), /cannot be had:.*the requested image was not found/s],
    ['docker', () => `docker://${registry.address}/missing:1`, /cannot be had:.*manifest unknown/s],
  ])(
    'fails in the words of Singularity where an image cannot be had by %s',
    async (kind, image, words) => {
      const app = await register(`unpullable-${kind}`, image());
      const job = await kilim.until(await run(app, 'echo never', plainHttp), 'FAILED', 110);
      expect(job.condition).toBe('JOB_UNABLE_TO_STAGE_JOB');
      expect(job.lastMessage).toMatch(words);
    },
    120_000,
  );

  it('refuses an application whose image is none', async () => {
    const app = { id: 'wrong', version: '1', runtime: 'SINGULARITY', containerImage: 'instance://other' };
    const { status, message } = await kilim.call('POST', '/v3/apps', app);
    expect(status).toBe(400);
    expect(message).toContain('containerImage: "instance://other" must be a path');
  });

  it('leaves no pull behind when a job is cancelled while its image is pulled', async () => {
    const hanging = createServer((request) => asked.push(`${request.method} ${request.url}`));
    await new Promise<void>((resolve) => hanging.listen(0, '127.0.0.1', resolve));
    const { port } = hanging.address() as AddressInfo;
    const app = await register('hanging', `http://127.0.0.1:${port}/never-${Date.now()}.sif`);
    const uuid = await run(app, 'echo never');
    await until(() => asked.some((line) => line.includes('never-')));
    expect((await kilim.get(uuid)).status).toBe('STAGING_JOB');
    await kilim.call('POST', `/v3/jobs/${uuid}/cancel`);
    await kilim.until(uuid, 'CANCELLED', 60);
    const connections = (): Promise<number> =>
      new Promise((resolve) => hanging.getConnections((_error, count) => resolve(count)));
    await until(async () => (await connections()) === 0);
    hanging.close();
  }, 180_000);

  describe('as an instance', () => {
    it('runs its start script, and shows what it says', async () => {
      const uuid = await run('instance-app', 'echo from the instance; sleep 1; echo done');
      await kilim.until(uuid, 'FINISHED', 110);
      expect(await kilim.output(uuid)).toBe('from the instance\ndone\n');
    }, 120_000);

    it('fails by the exit code that the application wrote down', async () => {
      const job = await kilim.until(
        await run('instance-app', 'echo 5 > output/tapisjob.exitcode'),
        'FAILED',
        110,
      );
      expect(job.remoteResultInfo).toBe('5');
    }, 120_000);

    it('is paused, continued and cancelled without a process left', async () => {
      const uuid = await run(
        'instance-app',
        'i=0; while :; do i=$((i+1)); echo $i > output/beat; sleep 0.1; done',
      );
      await kilim.until(uuid, 'RUNNING', 110);
      const beat = (): Promise<string> => kilim.output(uuid, 'beat');
      await until(async () => /^\d+\n$/.test(await beat()));
      await kilim.call('POST', `/v3/jobs/${uuid}/pause`);
      expect((await kilim.until(uuid, 'PAUSED', 60)).lastMessage).toContain('SIGSTOP');
      const held = await beat();
      await new Promise((resolve) => setTimeout(resolve, 1_000));
      expect(await beat()).toBe(held);
      await kilim.call('POST', `/v3/jobs/${uuid}/resume`);
      await until(async () => (await beat()) !== held);
      await kilim.call('POST', `/v3/jobs/${uuid}/cancel`);
      const job = await kilim.until(uuid, 'CANCELLED', 110);
      expect(job.lastMessage).not.toContain('Warning');
    }, 180_000);

    it('is refused as BATCH', async () => {
      const { message } = await kilim.call('POST', '/v3/jobs/submit', {
        name: 'x', appId: 'instance-app', appVersion: '1', execSystemId: 'slurm', jobType: 'BATCH',
      }); // prettier-ignore
      expect(message).toContain('SINGULARITY_START');
    });
  });
});
