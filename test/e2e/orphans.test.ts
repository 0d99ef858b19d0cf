import { execFileSync, spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';

import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';

import { aKilim, processesOf, type Kilim } from '../support/kilim.js';
import { podman } from '../support/podman.js';
import { part } from '../support/testbed.js';

/* What a job left running after its end is found by its tag and ended; nothing else is. */

const vm = part('vm-ssh');
const docker = part('docker');

const FOREIGN = 'other1:11111111-1111-4111-8111-111111111111-007';
const parameterSet = (script: string) => ({
  appArgs: [{ arg: `'eval "$SCRIPT"'` }],
  envVariables: [
    { key: 'SCRIPT', value: script },
    { key: 'FOREIGN', value: FOREIGN },
  ],
});

const engines = [
  ...(docker ? [{ system: 'here', engine: (...words: string[]) => said('docker', '-H', docker.DOCKER_HOST ?? '', ...words) }] : []),
  ...(part('podman') ? [{ system: 'podman', engine: (...words: string[]) => podman(...words).join('\n') }] : []),
]; // prettier-ignore
const said = (program: string, ...words: string[]): string =>
  execFileSync(program, words, { encoding: 'utf8' }).trim();

/** The processes that carry the tag of a job in their environment; the text of a script may name a tag without carrying it. */
const carrying = (uuid: string): string[] =>
  said(
    'bash',
    '-c',
    `grep -lsz '^KILIM_JOB=[A-Za-z0-9]*:${uuid}$' /proc/[0-9]*/environ | tr '\\0' '\\n' || true`,
  )
    .split('\n')
    .filter(Boolean);

describe('orphans', () => {
  let kilim: Kilim;
  beforeAll(async () => {
    // on this machine itself jobs run as an account that may use the container engine
    const env = {
      KILIM_SWEEP_MINUTES: '0.05',
      LOG_LEVEL: 'info',
      ...(vm?.user ? { KILIM_LOCAL_USER: vm.user } : {}),
    };
    kilim = await aKilim({ env });
  }, 60_000);
  afterAll(() => kilim.stop());

  const orphans = (...words: string[]): string => {
    const bin = new URL('../../bin/kilim', import.meta.url).pathname;
    const { stdout, stderr } = spawnSync(process.execPath, [bin, 'orphans', ...words, '--home', kilim.home], {
      encoding: 'utf8',
    });
    return `${stdout}${stderr}`;
  };
  const events = async (uuid: string): Promise<string> =>
    JSON.stringify((await kilim.call('GET', `/v3/jobs/${uuid}/history`)).result);

  if (vm)
    it('ends what a finished job left behind over SSH, and neither a live job nor another installation', async () => {
      const run = (script: string) =>
        kilim.submit({ appId: 'zip-app', execSystemId: 'vm', parameterSet: parameterSet(script) });
      const live = await run('sleep 600');
      // SIGTERM alone does not end it
      const orphan = await run(
        `setsid sh -c 'trap "" TERM; while :; do sleep 1; done' > /dev/null 2>&1 < /dev/null & ` +
          'KILIM_JOB=$FOREIGN setsid sleep 600 > /dev/null 2>&1 < /dev/null &',
      );
      await kilim.until(live, 'RUNNING');
      await kilim.until(orphan, 'FINISHED', 60);
      const foreign = processesOf(FOREIGN.slice(7));
      try {
        expect(processesOf(orphan)).not.toEqual([]);
        expect(foreign).toHaveLength(1);

        await vi.waitFor(() => expect(processesOf(orphan)).toEqual([]), { timeout: 60_000, interval: 300 });
        await vi.waitFor(async () => expect(await events(orphan)).toContain('ORPHAN_ENDED'), {
          timeout: 20_000,
          interval: 300,
        });
        expect((await kilim.get(orphan)).status).toBe('FINISHED');
        expect((await kilim.get(live)).status).toBe('RUNNING');
        expect(processesOf(live)).not.toEqual([]);
        expect(processesOf(FOREIGN.slice(7))).toEqual(foreign);
      } finally {
        for (const environ of foreign) process.kill(Number(environ.split('/')[2]), 'SIGKILL');
        await kilim.call('POST', `/v3/jobs/${live}/cancel`);
        await kilim.until(live, 'CANCELLED', 60);
      }
    }, 180_000);

  if (vm)
    it('reports over SSH what has no job in the store, and ends it by order alone', async () => {
      const [left, ended] = [randomUUID(), randomUUID()].map((id) => `${id}-007`);
      const uuid = await kilim.submit({
        appId: 'zip-app',
        execSystemId: 'vm',
        parameterSet: parameterSet(
          [left, ended]
            .map((id) => `KILIM_JOB=\${KILIM_JOB%%:*}:${id} setsid sleep 600 > /dev/null 2>&1 < /dev/null &`)
            .join(' '),
        ),
      });
      await kilim.until(uuid, 'FINISHED', 60);
      try {
        await vi.waitFor(() => expect(orphans('list')).toContain(ended), { timeout: 60_000, interval: 500 });
        for (const id of [left, ended])
          expect(orphans('list')).toMatch(new RegExp(`${id}  vm .* process \\d+ .* reported`));
        expect(orphans('adopt', left ?? '')).toContain('1 job is left alone');
        await new Promise((resolve) => setTimeout(resolve, 10_000)); // twice the time after which the sweeper acts
        expect(carrying(ended ?? '')).toHaveLength(1);
        expect(orphans('end', ended ?? '')).toContain('1 job is ended');
        await vi.waitFor(() => expect(carrying(ended ?? '')).toEqual([]), {
          timeout: 60_000,
          interval: 500,
        });
        expect(carrying(left ?? '')).toHaveLength(1);
      } finally {
        for (const environ of [left, ended].flatMap((id) => carrying(id ?? '')))
          process.kill(Number(environ.split('/')[2]), 'SIGKILL');
      }
    }, 180_000);

  for (const { system, engine } of engines)
    it(`leaves a container that has no job in the store, of ${system}, until it is told to end it`, async () => {
      const uuid = await kilim.submit({
        appId: 'zip-app',
        execSystemId: system,
        parameterSet: parameterSet('echo "$KILIM_JOB"'),
      });
      await kilim.until(uuid, 'FINISHED', 60);
      const unknown = `${randomUUID()}-007`;
      const tag = `${(await kilim.output(uuid)).trim().split(':')[0] ?? ''}:${unknown}`;
      const id = engine('run', '-d', '--label', `kilim.job=${tag}`, 'kilim/busybox:test', 'sleep', '600');
      try {
        const row = new RegExp(`${unknown}  ${system} .* container ${id.slice(0, 12)} `);
        await vi.waitFor(() => expect(orphans('list')).toMatch(row), { timeout: 60_000, interval: 500 });
        await new Promise((resolve) => setTimeout(resolve, 10_000));
        expect(engine('ps', '-q', '--no-trunc')).toContain(id);
        expect(orphans('end', unknown)).toContain('1 job is ended');
        await vi.waitFor(() => expect(engine('ps', '-aq', '--no-trunc')).not.toContain(id), {
          timeout: 60_000,
          interval: 500,
        });
      } finally {
        if (engine('ps', '-aq', '--no-trunc').includes(id)) engine('rm', '-f', id);
      }
    }, 180_000);

  for (const { system, engine } of engines)
    it(`removes a container whose job is over, of ${system}`, async () => {
      const uuid = await kilim.submit({
        appId: 'zip-app',
        execSystemId: system,
        parameterSet: parameterSet('echo "$KILIM_JOB"'),
      });
      await kilim.until(uuid, 'FINISHED', 60);
      const tag = (await kilim.output(uuid)).trim();
      const start = (label: string) =>
        engine('run', '-d', '--label', `kilim.job=${label}`, 'kilim/busybox:test', 'sleep', '600');
      const [ours, foreign] = [start(tag), start(FOREIGN)];
      try {
        await vi.waitFor(() => expect(engine('ps', '-aq', '--filter', `label=kilim.job=${tag}`)).toBe(''), {
          timeout: 60_000,
          interval: 300,
        });
        expect(engine('ps', '-q', '--no-trunc', '--filter', `label=kilim.job=${FOREIGN}`)).toBe(foreign);
        await vi.waitFor(async () => expect(await events(uuid)).toContain('ORPHAN_ENDED'), {
          timeout: 20_000,
          interval: 300,
        });
      } finally {
        engine('rm', '-f', foreign);
        if (engine('ps', '-aq', '--no-trunc').includes(ours)) engine('rm', '-f', ours);
      }
    }, 120_000);
});
