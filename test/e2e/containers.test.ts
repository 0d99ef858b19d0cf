import { execFileSync, spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';

import { envFileOf } from '../../domain/jobs/ledger.js';
import { docker as dockerRuntime } from '../../runtimes/docker.js';
import { aPlan } from '../support/a-plan.js';
import { aKilim, killSessions, processesOf, type Kilim } from '../support/kilim.js';
import { podman } from '../support/podman.js';
import { part } from '../support/testbed.js';

/* What only containers have: an engine that goes on without the wrapper. What every runtime must do is in contract.test.ts. */

const vm = part('vm-ssh');
const socket = part('docker')?.DOCKER_HOST;
const docker = (...words: string[]): string[] =>
  execFileSync('docker', ['-H', socket ?? '', ...words], { encoding: 'utf8' })
    .split('\n')
    .filter(Boolean);

const engines = [
  ...(vm && socket ? [{ system: 'vm', engine: docker }] : []),
  ...(vm && part('podman') ? [{ system: 'podman', engine: podman }] : []),
];

let kilim: Kilim;
beforeAll(async () => {
  kilim = await aKilim();
});
afterAll(() => kilim.stop());

const run = (execSystemId: string, script: string): Promise<string> =>
  kilim.submit({
    appId: 'docker-app',
    execSystemId,
    parameterSet: {
      appArgs: ['sh', '-c', `'eval "$SCRIPT"'`].map((arg) => ({ arg })),
      envVariables: [{ key: 'SCRIPT', value: script }],
    },
  });

/** The job's container, when it runs. */
const untilItRuns = (uuid: string, engine: typeof podman): Promise<void> =>
  vi.waitFor(
    () =>
      expect(engine('inspect', '--type', 'container', '-f', '{{.State.Status}}', uuid)).toEqual(['running']),
    { timeout: 60_000, interval: 200 },
  );

/** `kill -9` of the wrapper and of all that it started, but not of the container. */
async function killWrapper(uuid: string): Promise<void> {
  const { remoteJobId } = (await kilim.get(uuid)) as unknown as { remoteJobId: string };
  execFileSync('pkill', ['-KILL', '-s', remoteJobId]);
}

/** A watcher whose channel broke looks at all jobs at once; else within two minutes. */
const lookNow = (): number => killSessions(vm?.user ?? '');

const conmonOf = (uuid: string): string =>
  podman('inspect', '--type', 'container', '-f', '{{.State.ConmonPid}}', uuid)[0] ?? '';

describe.each(engines)('a container on $system', { concurrent: true }, ({ system, engine }) => {
  const leftOf = (uuid: string): string[] => [
    ...processesOf(uuid),
    ...engine('ps', '-aq', '--filter', `name=${uuid}`),
  ];

  it('is the account of the login, inside and outside', async () => {
    const uuid = await run(system, 'id -u; id -g; mkdir /TapisOutput/d; echo x > /TapisOutput/d/mine');
    await kilim.until(uuid, 'FINISHED', 110);
    const home = statSync(vm?.home ?? '');
    expect(await kilim.output(uuid)).toBe(`${home.uid}\n${home.gid}\n`);
    const output = join(vm?.home ?? '', 'workdir/jobs', uuid, 'output');
    for (const path of ['d', 'd/mine', 'tapisjob.out'])
      expect(statSync(join(output, path))).toMatchObject({ uid: home.uid, gid: home.gid });
  }, 120_000);

  it('outlives its wrapper, and its end is told with its exit code and its output', async () => {
    const uuid = await run(
      system,
      'echo before; while [ ! -e /TapisOutput/go ]; do sleep 0.2; done; echo after; exit 3',
    );
    await kilim.until(uuid, 'RUNNING', 110);
    await untilItRuns(uuid, engine);
    await killWrapper(uuid);
    execFileSync('touch', [join(vm?.home ?? '', 'workdir/jobs', uuid, 'output/go')]);
    lookNow();
    const job = await kilim.until(uuid, 'FAILED', 200);
    expect(job).toMatchObject({ condition: 'JOB_REMOTE_OUTCOME_ERROR', remoteResultInfo: '3' });
    expect(await kilim.output(uuid)).toBe('before\nafter\n');
    expect(leftOf(uuid)).toEqual([]);
  }, 240_000);

  it('tells what it used, where the engine gives it a cgroup of its own', async () => {
    const uuid = await run(
      system,
      'i=0; while [ $i -lt 300000 ]; do i=$((i + 1)); done; head -c 50000000 /dev/zero | tail -c 50000000 > /dev/null; sleep 2',
    );
    const job = (await kilim.until(uuid, 'FINISHED', 110)) as unknown as {
      kilimUsage: Record<string, number | null>;
    };
    // a rootless Podman has one with cgroups of version 2 only
    const isGrouped = engine === docker || existsSync('/sys/fs/cgroup/cgroup.controllers');
    const { cpuSeconds, peakMemoryMB } = job.kilimUsage;
    if (!isGrouped) return expect([cpuSeconds, peakMemoryMB]).toEqual([null, null]);
    expect(cpuSeconds).toBeGreaterThan(0.2);
    expect(peakMemoryMB).toBeGreaterThan(45);
    expect(peakMemoryMB).toBeLessThan(200);
  }, 120_000);

  it('cannot be asked for by an image that the engine would take for an option', async () => {
    const app = { id: 'option', version: '1', runtime: 'DOCKER', containerImage: '-hfX' };
    const { status, message } = await kilim.call('POST', '/v3/apps', app);
    expect([status, message]).toEqual([
      400,
      expect.stringContaining('containerImage: "-hfX" must be the name'),
    ]);
    // a job that an older release planned, before such images were refused
    const folder = mkdtempSync(join(vm?.home ?? '', 'option-'));
    chmodSync(folder, 0o755);
    const paths = { rootDir: '/', execDir: folder, inputDir: folder, outputDir: folder };
    const appArgs = ['--privileged', '--volume=/:/x', 'kilim/busybox:test', 'true'];
    const plan = aPlan({ uuid: randomUUID(), runtime: 'DOCKER', containerImage: '-hfX', paths, containerEngine: system === 'podman' ? 'podman' : 'docker',
      appArgs: appArgs.map((arg) => ({ arg, name: null, description: null, include: null, notes: null })) }); // prettier-ignore
    mkdirSync(dirname(envFileOf(plan)), { recursive: true });
    writeFileSync(envFileOf(plan), '');
    const create =
      dockerRuntime
        .phrase(plan)
        .run.split('\n')
        .find((line) => line.includes(' create ')) ?? '';
    const env = [
      `HOME=${vm?.home ?? ''}`,
      `PATH=${process.env['PATH'] ?? ''}`,
      `DOCKER_HOST=${socket ?? ''}`,
    ];
    const asLogin = ['-u', vm?.user ?? '', '--', 'env', '-i', ...env];
    const script = `KILIM_JOB=test; ${create}; echo made`;
    const said = spawnSync('runuser', [...asLogin, 'bash', '-c', script], { encoding: 'utf8', cwd: '/' });
    for (const id of leftOf(plan.uuid)) engine('rm', '-f', id);
    rmSync(folder, { recursive: true });
    expect(said).toMatchObject({
      status: 125,
      stdout: '',
      stderr: expect.stringContaining('invalid reference format'),
    });
  });

  if (engine !== podman) return;

  it('has its exit code where the host could not clean up after it', async () => {
    const uuid = await run(system, 'while [ ! -e /TapisOutput/go ]; do sleep 0.2; done; echo after; exit 3');
    await kilim.until(uuid, 'RUNNING', 110);
    await untilItRuns(uuid, engine);
    // conmon starts a podman at the container's end; with so little memory it cannot start
    const limit = ['prlimit', '--pid', conmonOf(uuid), '--as=67108864'];
    execFileSync('runuser', ['-u', vm?.user ?? '', '--', ...limit]);
    await killWrapper(uuid);
    execFileSync('touch', [join(vm?.home ?? '', 'workdir/jobs', uuid, 'output/go')]);
    lookNow();
    const job = await kilim.until(uuid, 'FAILED', 200);
    expect(job).toMatchObject({ condition: 'JOB_REMOTE_OUTCOME_ERROR', remoteResultInfo: '3' });
    expect(await kilim.output(uuid)).toBe('after\n');
    expect(leftOf(uuid)).toEqual([]);
  }, 240_000);

  it('ends with its conmon, and nothing of it is left', async () => {
    const uuid = await run(system, 'sleep 600 & sleep 601');
    await kilim.until(uuid, 'RUNNING', 110);
    await untilItRuns(uuid, engine);
    execFileSync('kill', ['-KILL', conmonOf(uuid)]);
    lookNow();
    const job = await kilim.until(uuid, 'FAILED', 200);
    expect(job).toMatchObject({ condition: 'JOB_REMOTE_OUTCOME_ERROR', remoteResultInfo: '125' });
    expect(leftOf(uuid)).toEqual([]);
  }, 240_000);
});
