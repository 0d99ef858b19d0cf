import { createServer, type Server } from 'node:http';
import { readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';

import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';

import { aKilim, type Kilim } from '../support/kilim.js';
import { cluster } from '../support/testbed.js';

/* What only Singularity has: named images, its environment, its instances. What every runtime must do is in contract.test.ts. */

const bed = cluster('hpc-slurm');

const until = (holds: () => boolean | Promise<boolean>): Promise<void> =>
  vi.waitFor(async () => expect(await holds()).toBe(true), { timeout: 40_000, interval: 100 });

describe.runIf(bed)('Singularity', { concurrent: true }, () => {
  let kilim: Kilim;
  let images: Server;
  const asked: string[] = [];

  beforeAll(async () => {
    kilim = await aKilim();
    const image = readFileSync(bed?.images.busyboxOnThisMachine ?? '');
    images = createServer((request, response) => {
      asked.push(`${request.method} ${request.url}`);
      if (request.url?.startsWith('/missing')) response.writeHead(404).end('no such image');
      // slow enough for the second job to come while the first one pulls
      else setTimeout(() => response.end(image), 1_500);
    });
    await new Promise<void>((resolve) => images.listen(0, '127.0.0.1', resolve));
  });
  afterAll(async () => {
    images.close();
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

  it('keeps every value of the environment as it is, as FORK and as BATCH', async () => {
    const value = `a,b "c" 'd' $HOME \`id\` $(id) \\ ü; e & f | g > h`;
    for (const jobType of ['FORK', 'BATCH']) {
      const uuid = await run('singularity-app', 'printf %s "$ODD"', {
        jobType,
        envVariables: [{ key: 'ODD', value }],
      });
      await kilim.until(uuid, 'FINISHED', 110);
      expect(await kilim.output(uuid)).toBe(value);
    }
  }, 240_000);

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

  it('pulls a named image once for all jobs of a host', async () => {
    const app = await register('pulled', served(`/${Date.now()}/busybox.sif`));
    const jobs = await Promise.all([1, 2, 3].map(() => run(app, 'echo pulled')));
    for (const uuid of jobs) {
      await kilim.until(uuid, 'FINISHED', 110);
      expect(await kilim.output(uuid)).toBe('pulled\n');
    }
    const wanted = asked.filter((line) => line.startsWith('GET') && line.includes('busybox.sif'));
    expect(wanted).toHaveLength(1);
  }, 120_000);

  it('fails in the words of Singularity where a named image cannot be had', async () => {
    const app = await register('unpullable', served('/missing.sif'));
    const job = await kilim.until(await run(app, 'echo never'), 'FAILED', 110);
    expect(job.condition).toBe('JOB_UNABLE_TO_STAGE_JOB');
    expect(job.lastMessage).toMatch(/cannot be had:.*the requested image was not found/s);
  }, 120_000);

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
