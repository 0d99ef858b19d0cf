import { execFileSync } from 'node:child_process';

import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';

import { KEEPER } from '../../domain/jobs/keeper.js';
import { aLoginNode, queueOf } from '../support/cluster-host.js';
import { CLUSTERS } from '../support/clusters.js';
import { aKilim, processesOf, type Kilim } from '../support/kilim.js';
import { PAIRS, type Pair } from '../support/pairs.js';
import { podman } from '../support/podman.js';
import { secretsOf } from '../support/secrets-of.js';
import { cluster, part } from '../support/testbed.js';

/*
 * One suite for every line of the table in domain/jobs/keeper.ts, runtime × job type × kind of host, on the real parts.
 * What its part is missing for is skipped by name. Tests run at once: most of them wait.
 */

const vm = part('vm-ssh');

let kilim: Kilim;
const nodes = new Map<string, Awaited<ReturnType<typeof aLoginNode>>>();
beforeAll(async () => {
  for (const [system, name] of Object.entries(CLUSTERS)) {
    const bed = cluster(name);
    if (!bed) continue;
    const node = await aLoginNode(bed);
    // logged in before this program is busy: what it asks engines, it waits for
    await node.host.run({ line: ':', parse: () => undefined });
    nodes.set(system, node);
  }
  // on this machine itself jobs run as an account that may use the container engine
  kilim = await aKilim({ env: vm?.user ? { KILIM_LOCAL_USER: vm.user } : {} });
});
afterAll(async () => {
  for (const { hosts } of nodes.values()) hosts.close();
  await kilim.stop();
});

const run = (pair: Pair, script: string, more: Record<string, unknown> = {}): Promise<string> => {
  const { parameterSet, ...rest } = more as { parameterSet?: Record<string, unknown[]> };
  const args = pair.runtime === 'ZIP' ? [`'eval "$SCRIPT"'`] : ['sh', '-c', `'eval "$SCRIPT"'`];
  return kilim.submit({
    appId: pair.app,
    execSystemId: pair.system,
    jobType: pair.jobType,
    ...rest,
    parameterSet: {
      ...parameterSet,
      appArgs: args.map((arg) => ({ arg })),
      envVariables: [{ key: 'SCRIPT', value: script }],
    },
  });
};

/** Where the application finds its inputs and leaves its outputs. */
const dirs = ({ runtime }: Pair): { input: string; output: string } =>
  runtime === 'DOCKER' ? { input: '/TapisInput', output: '/TapisOutput' } : { input: '.', output: 'output' };

const order = (uuid: string, word: string): Promise<unknown> =>
  kilim.call('POST', `/v3/jobs/${uuid}/${word}`);

/** What Slurm's queue has of a BATCH job. */
const queued = ({ system, jobType }: Pair, uuid: string): Promise<string[]> => {
  const node = nodes.get(system);
  return node && jobType === 'BATCH' ? queueOf(node.host, uuid) : Promise.resolve([]);
};

/** Everything that could be left of a job on the machines of the test bed. */
async function leftOf(pair: Pair, uuid: string): Promise<string[]> {
  const left = processesOf(uuid);
  const engine = part('docker')?.DOCKER_HOST;
  if (engine)
    left.push(...execFileSync('docker', ['-H', engine, 'ps', '-aq', '--filter', `name=${uuid}`], { encoding: 'utf8' }).split('\n').filter(Boolean));
  if (part('podman')) left.push(...podman('ps', '-aq', '--filter', `name=${uuid}`));
  return [...left, ...(await queued(pair, uuid)), ...(await secretsOf(kilim, pair.system, uuid))];
} // prettier-ignore

it('knows a pair for every line of the table', () => {
  const tested = new Set(PAIRS.map(({ runtime, jobType, host }) => `${runtime} ${jobType} ${host}`));
  const allowed = Object.entries(KEEPER).flatMap(([runtime, types]) =>
    Object.entries(types).flatMap(([jobType, { on }]) => on.map((host) => `${runtime} ${jobType} ${host}`)),
  );
  expect([...tested].sort()).toEqual(allowed.sort());
});

it('refuses at submit what the table does not have', async () => {
  const submit = (appId: string, execSystemId: string, jobType: string) =>
    kilim.call('POST', '/v3/jobs/submit', { name: 'x', appId, appVersion: '1', execSystemId, jobType });
  const refused = await submit('docker-app', 'here', 'BATCH');
  expect(refused).toMatchObject({ status: 400 });
  expect(refused.message).toContain('jobType: "BATCH" is not served for the runtime DOCKER; served: FORK');
});

// first, because it waits longest
const late = PAIRS.filter(
  ({ isHere, jobType, runtime }) => isHere && jobType === 'BATCH' && runtime === 'ZIP',
);
describe.runIf(late.length > 0)('past the deadline of its owner', { concurrent: true }, () => {
  it.each(late)('a job on $system is ended by Slurm before it ran', { timeout: 300_000 }, async (pair) => {
    const uuid = await run(pair, 'echo never', {
      execSystemLogicalQueue: 'closed', maxMinutes: 1, parameterSet: { schedulerOptions: [{ arg: '--deadline=now+70seconds' }] },
    }); // prettier-ignore
    const job = await kilim.until(uuid, 'FAILED', 240);
    expect(job.condition).toBe('SCHEDULER_DEADLINE');
    expect(job.lastMessage).toContain('DEADLINE');
  });
});

for (const pair of PAIRS) {
  const isBatch = pair.jobType === 'BATCH';
  describe.runIf(pair.isHere)(
    `${pair.app} as ${pair.jobType} on ${pair.system}`,
    { concurrent: true },
    () => {
      it('runs, and its output can be had', async () => {
        const uuid = await run(pair, 'echo hello');
        const job = await kilim.until(uuid, 'FINISHED', 110);
        expect(job).toMatchObject({
          condition: 'NORMAL_COMPLETION',
          remoteResultInfo: isBatch ? '0:0' : '0',
        });
        expect(await kilim.output(uuid)).toBe('hello\n');
        expect(await leftOf(pair, uuid)).toEqual([]);
      }, 120_000);

      it('fails with the true exit code and its last lines', async () => {
        const uuid = await run(pair, 'echo oops; exit 3');
        const job = await kilim.until(uuid, 'FAILED', 110);
        expect(job).toMatchObject({
          condition: isBatch ? 'SCHEDULER_TERMINATED' : 'JOB_REMOTE_OUTCOME_ERROR',
          remoteResultInfo: isBatch ? '3:0' : '3',
        });
        expect(job.lastMessage).toContain('exit code 3');
        expect(job.lastMessage).toContain('oops');
        expect(await leftOf(pair, uuid)).toEqual([]);
      }, 120_000);

      it('tells which signal ended a part of the application', async () => {
        const job = await kilim.until(await run(pair, "sh -c 'kill -9 $$'; exit $?"), 'FAILED', 110);
        expect(job.lastMessage).toContain('SIGKILL');
      }, 120_000);

      it('takes the exit code that the application wrote down for itself', async () => {
        const uuid = await run(pair, `echo 7 > ${dirs(pair).output}/tapisjob.exitcode`);
        const job = await kilim.until(uuid, 'FAILED', 110);
        expect(job.remoteResultInfo).toBe(isBatch ? '7:0' : '7');
      }, 120_000);

      it("fails in the host's own words where the application cannot be had", async () => {
        const uuid = await run({ ...pair, app: `${pair.runtime.toLowerCase()}-missing` }, 'echo never');
        const job = await kilim.until(uuid, 'FAILED', 110);
        expect(job.condition).toBe('JOB_UNABLE_TO_STAGE_JOB');
        expect(job.lastMessage).toMatch(/not there|cannot be had/);
        expect(await leftOf(pair, uuid)).toEqual([]);
      }, 120_000);

      it('brings inputs and archives what the filter leaves', async () => {
        const { input, output: into } = dirs(pair);
        const first = await run(pair, `echo one > ${into}/a.txt; echo two > ${into}/b.log`);
        await kilim.until(first, 'FINISHED', 110);
        const uuid = await run(
          pair,
          `cat ${input}/in/a.txt ${input}/in/b.log > ${into}/both.txt; echo x > ${into}/skip.me`,
          {
            fileInputs: [
              {
                name: 'tree',
                sourceUrl: `tapis://${pair.system}/workdir/jobs/${first}/output`,
                targetPath: 'in',
              },
            ],
            archiveSystemDir: `archived-${first}`,
            parameterSet: { archiveFilter: { excludes: ['*.me'] } },
          },
        );
        await kilim.until(uuid, 'FINISHED', 110);
        expect(await kilim.output(uuid, 'both.txt')).toBe('one\ntwo\n');
        const { result } = await kilim.call('GET', `/v3/jobs/${uuid}/output/list/`);
        expect((result as { name: string }[]).map(({ name }) => name)).not.toContain('skip.me');
      }, 240_000);

      it('leaves nothing behind when it is cancelled, whenever that is', async () => {
        // from the first steps to the run; the last one is cancelled when it runs for certain
        const delays = [0, 100, 250, 400, 600, 900, 1_300, null];
        const at = await Promise.all(
          delays.map(async (delay) => {
            const uuid = await run(pair, 'sleep 600 & sleep 601');
            if (delay === null) await kilim.until(uuid, 'RUNNING', 110);
            else await new Promise((resolve) => setTimeout(resolve, delay));
            const { status } = await kilim.get(uuid);
            await order(uuid, 'cancel');
            const job = await kilim.until(uuid, 'CANCELLED', 110);
            expect(job.condition).toBe('CANCELLED_BY_USER');
            expect(job.lastMessage).not.toContain('Warning');
            expect(await leftOf(pair, uuid)).toEqual([]);
            return status;
          }),
        );
        expect(at.at(-1)).toBe('RUNNING'); // what the others met depends on the load; test/workflow/orders.test.ts meets every step
      }, 240_000);

      it('leaves nothing behind when it is cancelled while it archives', async () => {
        const uuid = await run(
          pair,
          `i=0; while [ $i -lt 3000 ]; do i=$((i+1)); : > ${dirs(pair).output}/$i; done`,
          {
            archiveSystemDir: 'archived-in-vain',
          },
        );
        await kilim.until(uuid, 'ARCHIVING', 110).catch(() => undefined); // it may be over before it was seen there
        const { status } = await kilim.call('POST', `/v3/jobs/${uuid}/cancel`);
        const end = await Promise.any(['CANCELLED', 'FINISHED'].map((word) => kilim.until(uuid, word, 110)));
        if (end.status === 'CANCELLED') expect(status).toBe(200); // else it was over before
        expect(await leftOf(pair, uuid)).toEqual([]);
      }, 240_000);

      it('says what a pause did, and goes on when it is resumed', async () => {
        const uuid = await run(pair, 'i=0; while [ $i -lt 250 ]; do i=$((i+1)); echo $i; sleep 0.2; done');
        await kilim.until(uuid, 'RUNNING', 110);
        await order(uuid, 'pause');
        const paused = await kilim.until(uuid, 'PAUSED', 110);
        expect(paused.lastMessage).toMatch(
          isBatch
            ? /goes on running|suspended/
            : pair.system === 'podman'
              ? /paused \(podman|could not be paused: .*cgroup/
              : /SIGSTOP|paused \(docker/,
        );
        await order(uuid, 'resume');
        await kilim.until(uuid, 'FINISHED', 110);
        expect((await kilim.output(uuid)).trim().split('\n').at(-1)).toBe('250');
      }, 240_000);

      it('is ended when its time is over', async () => {
        const uuid = await run(pair, 'sleep 600', { maxMinutes: 1 });
        const job = await kilim.until(uuid, 'FAILED', 200);
        expect(job.condition).toBe(isBatch ? 'SCHEDULER_TIMEOUT' : 'JOB_EXECUTION_MONITORING_TIMEOUT');
        if (isBatch) expect(job.lastMessage).toContain('TIMEOUT');
      }, 240_000);

      const { memory } = pair;
      if (memory)
        it('is ended when it takes more memory than it asked for', async () => {
          // of a Slurm job a good end is not believed where the kernel killed a part of it
          const then = isBatch ? 'sleep 20' : '[ ${#x} -eq 400000000 ] || exit 137';
          const uuid = await run(pair, `x=$(head -c 400000000 /dev/zero | tail -c 400000000 | tr "\\0" x); echo \${#x}; ${then}`, memory.asks); // prettier-ignore
          const job = await kilim.until(uuid, 'FAILED', 150);
          expect(job.condition).toBe(memory.gives);
        }, 200_000);

      if (isBatch)
        it('is held in the queue by a pause and leaves it by a cancel', async () => {
          const uuid = await run(pair, 'echo never', { execSystemLogicalQueue: 'closed' });
          await vi.waitFor(
            async () => expect((await kilim.get(uuid)).lastMessage).toMatch(/Slurm job \d+ is PENDING: \w+/),
            { timeout: 110_000, interval: 200 },
          );
          expect((await kilim.get(uuid)).status).toBe('QUEUED');
          // Slurm names its reason when it has looked at the job
          const explanation = async (): Promise<string> =>
            ((await kilim.call('GET', `/v3/jobs/${uuid}/explain`)).result as { explanation: string })
              .explanation;
          await vi.waitFor(
            async () => expect(await explanation()).toContain('its queue does not start jobs now'),
            { timeout: 100_000, interval: 500 },
          );
          await order(uuid, 'pause');
          expect((await kilim.until(uuid, 'PAUSED', 110)).lastMessage).toContain('held in the queue');
          expect(await queued(pair, uuid)).toEqual(['PENDING JobHeldUser']);
          await order(uuid, 'resume');
          await kilim.until(uuid, 'QUEUED', 110);
          expect(await queued(pair, uuid)).toEqual([expect.not.stringContaining('Held')]);
          await order(uuid, 'cancel');
          const job = await kilim.until(uuid, 'CANCELLED', 110);
          expect(job.lastMessage).not.toContain('Warning');
          expect(await leftOf(pair, uuid)).toEqual([]);
        }, 300_000);
    },
  );
}

describe.runIf(cluster('hpc-slurm'))('whatever the login shell does', { concurrent: true }, () => {
  it.each([
    ['carol', 'a slow .bashrc that prints'],
    ['dave', 'tcsh'],
  ])(
    '%s, with %s, runs BATCH jobs',
    async (user) => {
      const on = { app: `zip-${user}`, system: `slurm-${user}`, host: 'ssh', isHere: true } as const;
      const pair = { ...on, runtime: 'ZIP', jobType: 'BATCH' } as const;
      const uuid = await run(pair, 'echo hello');
      expect((await kilim.until(uuid, 'FINISHED', 110)).remoteResultInfo).toBe('0:0');
    },
    120_000,
  );
});
