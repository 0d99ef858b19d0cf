import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';

import { aKilim, type Kilim } from '../support/kilim.js';
import { PAIRS, type Pair } from '../support/pairs.js';
import { cluster, part } from '../support/testbed.js';

/* Jobs that share directories, and what a command line and an environment may hold, on real hosts, engines and clusters. */

let kilim: Kilim;
const vm = part('vm-ssh');
const slurm = cluster('hpc-slurm');

beforeAll(async () => {
  kilim = await aKilim();
  // the application runs its arguments as a command
  const file = join(kilim.home, 'apps/words.tar');
  const make = `umask 022; mkdir -p y && cd y && printf '#!/bin/sh\\nexec "$@"\\n' > tapisjob_app.sh && chmod 755 tapisjob_app.sh && tar -cf ${file} tapisjob_app.sh`;
  execFileSync('bash', ['-c', make], { cwd: join(kilim.home, 'apps') });
  const app = (id: string, containerImage: string) =>
    kilim.call('POST', '/v3/apps', { id, version: '1', runtime: 'ZIP', containerImage });
  await app('words', file);
  const home = slurm?.users['alice'];
  if (home) {
    copyFileSync(file, join(home.homeOnThisMachine, 'kilim-words.tar'));
    await app('words-slurm', `${home.home}/kilim-words.tar`);
  }
});
afterAll(() => kilim.stop());

type Where = Pick<Pair, 'app' | 'system' | 'jobType' | 'runtime'>;
const here = PAIRS.filter(({ isHere, system }) => isHere && system !== 'here' && system !== 'noacct');
const appOf = ({ runtime, app, system }: Where): string =>
  runtime !== 'ZIP' ? app : system === 'slurm' ? 'words-slurm' : 'words';
/** The output directory as the application knows it. */
const OUT = '"$OUT"';
const outputOf = ({ runtime, system }: Where, dir: string): string =>
  runtime === 'DOCKER'
    ? '/TapisOutput'
    : `${(system === 'slurm' ? slurm?.users['alice']?.home : vm?.home) ?? ''}/${dir}`;

interface Asked extends Record<string, unknown> {
  args?: string[];
  env?: Record<string, string>;
  options?: string[];
}

const run = (pair: Where, script: string, { args = [], env = {}, options = [], ...more }: Asked = {}): Promise<string> =>
  kilim.submit({
    appId: appOf(pair), execSystemId: pair.system, jobType: pair.jobType, ...more,
    parameterSet: {
      appArgs: ['sh', '-c', `'eval "$SCRIPT"'`, 'x', ...args].map((arg) => ({ arg })),
      envVariables: Object.entries({ SCRIPT: script, ...env }).map(([key, value]) => ({ key, value })),
      ...(pair.jobType === 'BATCH' ? { schedulerOptions: options.map((arg) => ({ arg })) } : {}),
    },
  }); // prettier-ignore

const history = async (uuid: string): Promise<string> =>
  JSON.stringify((await kilim.call('GET', `/v3/jobs/${uuid}/history`)).result);
let count = 0;
const fresh = (): string => `shared/${process.pid}-${Date.now()}-${++count}`;

describe.each(here)('$app as $jobType on $system', { concurrent: true }, (pair) => {
  it('keeps two jobs with one exec dir apart', async () => {
    const execSystemExecDir = fresh();
    const ofJob = (n: number): Asked => ({
      args: [`arg${n}`], env: { FOO: `secret-of-${n}` }, execSystemExecDir, execSystemOutputDir: `${execSystemExecDir}/out${n}`,
      options: n === 0 ? ['--begin=now+8'] : [],
    }); // prettier-ignore
    const says = 'echo "start $1 $FOO"; sleep 1; echo "end $1 $FOO"';
    const uuids = await Promise.all([0, 1].map((n) => run(pair, says, ofJob(n))));
    await Promise.all(uuids.map((uuid) => kilim.until(uuid, 'FINISHED', 150)));
    for (const [n, uuid] of uuids.entries()) {
      expect(await kilim.output(uuid)).toBe(`start arg${n} secret-of-${n}\nend arg${n} secret-of-${n}\n`);
      expect(await history(uuid)).toContain(uuids[1 - n]);
    }
  }, 200_000);

  it('keeps the outputs of two jobs with one output directory apart', async () => {
    const dir = fresh();
    const ofJob = (n: number): Asked => ({
      execSystemOutputDir: dir, archiveSystemDir: `${dir}-archive-${n}`, env: { OUT: outputOf(pair, dir) },
    }); // prettier-ignore
    const one = await run(pair, `echo one begins; until [ -e ${OUT}/go ]; do sleep 0.2; done; echo one ends`, ofJob(1)); // prettier-ignore
    await vi.waitFor(async () => expect(await kilim.output(one)).toBe('one begins\n'), { timeout: 120_000, interval: 300 }); // prettier-ignore
    const two = await run(pair, `echo two; echo 5 > ${OUT}/tapisjob.exitcode`, ofJob(2));
    expect((await kilim.until(two, 'FINISHED', 120)).remoteResultInfo).toMatch(/^0/);
    expect(await history(two)).toContain('is not taken because the job');
    expect(await kilim.output(one)).toBe('one begins\n');
    await kilim.until(await run(pair, `touch ${OUT}/go`, ofJob(3)), 'FINISHED', 120);
    await kilim.until(one, 'FINISHED', 120);
    expect(await kilim.output(one)).toBe('one begins\none ends\n');
    expect(await kilim.output(two)).toBe('two\n');
  }, 400_000);

  it('hands on 2,200 arguments of 61 characters, and values of many lines and of 120 KiB', async () => {
    const args = Array.from({ length: 2_200 }, (_, i) => String(i).padStart(61, '0'));
    const key = `-----BEGIN KEY-----\n${'QUJD'.repeat(16)}\n"$(id)" \`id\` \\ 'x'\n-----END KEY-----\n`;
    const env = { PEM: key, LARGE: 'x'.repeat(120 * 1024), TEXT: '{\n\t"a": [1,\n2]\n}' };
    const script =
      'echo "$#"; eval "last=\\${$#}"; echo "$last"; echo "${#LARGE}"; printf "%s|%s|" "$PEM" "$TEXT"';
    const uuid = await run(pair, script, { args, env });
    await kilim.until(uuid, 'FINISHED', 150);
    const said = await kilim.output(uuid);
    expect(said).toBe(`2200\n${args.at(-1) ?? ''}\n${120 * 1024}\n${key}|${env.TEXT}|`);
  }, 200_000);
});

describe.runIf(vm)('an application on vm', { concurrent: true }, () => {
  const zip: Where = { runtime: 'ZIP', jobType: 'FORK', app: 'words', system: 'vm' };

  it('that leaves something in the background writes nothing after its end, and the history says so', async () => {
    const dir = fresh();
    const script = '(while :; do date >> output/log; sleep 0.1; done) & echo $! > output/pid; sleep 0.5';
    const dirs = {
      execSystemExecDir: dir,
      execSystemOutputDir: `${dir}/output`,
      archiveSystemDir: `${dir}-archive`,
    };
    const uuid = await run(zip, script, dirs);
    await kilim.until(uuid, 'FINISHED', 60);
    expect(await history(uuid)).toMatch(/left \d process(es)? in the background/);
    expect(existsSync(`/proc/${(await kilim.output(uuid, 'pid')).trim()}`)).toBe(false);
  }, 100_000);

  it('that the host cannot start for the size of its arguments is told as refused by the host', async () => {
    await kilim.call('PATCH', '/v3/systems/vm', { enableCmdPrefix: true });
    const args = Array.from({ length: 8 }, () => 'x'.repeat(100_000));
    // with a small stack Linux takes a quarter of it, for all of them together
    const uuid = await run(zip, 'echo never', { args, cmdPrefix: 'prlimit --stack=1048576' });
    const job = await kilim.until(uuid, 'FAILED', 60);
    expect(job.lastMessage).toContain('The host did not start the application');
    expect(job.condition).toBe('JOB_LAUNCH_FAILURE');
  }, 100_000);
});
