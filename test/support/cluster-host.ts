import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

import type { JobPlan } from '../../domain/jobs/job-plan.js';
import type { Host } from '../../hosts/host.js';
import { createHosts, type Hosts } from '../../hosts/hosts.js';
import { slurm } from '../../schedulers/slurm.js';
import { aPlan } from './a-plan.js';
import type { Cluster } from './testbed.js';

const CONTROL = new URL('../testbed/control.mjs', import.meta.url).pathname;

/** What a fault test does to a part of the test bed: `shim sbatch rubbish`, `stop hpc-slurm:slurmctld`. */
export const control = (...words: string[]): string =>
  execFileSync(process.execPath, [CONTROL, ...words], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });

const MACHINE = new URL('../testbed/lib/machine.mjs', import.meta.url).href;

/** A command as root, inside a cluster. @throws where it fails */
export const inside = (name: 'hpc-slurm' | 'hpc-noacct', ...command: string[]): string =>
  execFileSync(
    process.execPath,
    [
      '--input-type=module',
      '-e',
      `const { inside } = await import(${JSON.stringify(MACHINE)});
       process.stdout.write((await inside(process.argv[1], JSON.parse(process.argv[2]))) ?? '');`,
      name,
      JSON.stringify(command),
    ],
    { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] },
  );

/** A command as root, inside the cluster with accounting. @throws where it fails */
export const insideCluster = (...command: string[]): string => inside('hpc-slurm', ...command);

/** A login node as the engine sees it, without an engine. */
export async function aLoginNode(bed: Cluster, user = 'alice'): Promise<{ host: Host; hosts: Hosts }> {
  const hosts = createHosts({
    findCredential: () =>
      Promise.resolve({ privateKey: readFileSync(bed.users[user]?.privateKeyFile ?? '', 'utf8') }),
    hostKeys: { find: () => Promise.resolve(null), pin: () => Promise.resolve() },
    local: { isEnabled: false, runAs: '', home: '/nonexistent' },
  });
  const address = { tenant: 'dev', systemId: 'slurm', host: '127.0.0.1', port: bed.port, loginUser: user };
  return { host: await hosts.open(address), hosts };
}

let count = 0;

/** A BATCH job whose script lies ready on the login node; every call makes another one. */
export async function aStagedJob(
  host: Host,
  bed: Cluster,
  { script, user = 'alice', ...more }: { script: string; user?: string } & Partial<JobPlan>,
): Promise<JobPlan> {
  const number = `${process.pid}${++count}`.padStart(12, '0').slice(-12);
  const uuid = `00000000-0000-4000-8000-${number}-007`;
  const execDir = `${bed.users[user]?.home ?? ''}/faults/${Date.now()}-${uuid}`;
  const plan = aPlan({
    uuid, jobType: 'BATCH', keeper: 'slurm', hpcQueue: 'normal',
    paths: { rootDir: '/', execDir, inputDir: execDir, outputDir: `${execDir}/output` },
    ...more,
  }); // prettier-ignore
  await host.run({
    line: `mkdir -p '${plan.paths.outputDir}' && cat > '${execDir}/tapisjob.sh' && chmod 700 '${execDir}/tapisjob.sh'`,
    stdin: slurm.script(plan, { before: [], run: script, after: [] }, INSTALLATION),
    parse: ({ exitCode, stderr }) => {
      if (exitCode !== 0) throw new Error(stderr);
    },
  });
  return plan;
}

/** Another one in each run, so that nobody finds the jobs of the last run. */
export const INSTALLATION = `test${process.pid}`;

/** The Slurm jobs that carry the job's comment, by the real squeue. */
export const slurmJobsOf = (host: Host, { uuid }: JobPlan): Promise<string[]> =>
  host.run({
    line: `/usr/bin/squeue --me --states=all --noheader --format='%A %k' | grep -F 'kilim:${INSTALLATION}:${uuid}' | cut -d' ' -f1`,
    parse: ({ stdout }) => stdout.split('\n').filter(Boolean),
  });

/** What is in Slurm's queue of a job of Kilim's, by its comment and the real squeue: `PENDING JobHeldUser`. */
export const queueOf = (host: Host, uuid: string): Promise<string[]> =>
  host.run({
    line: "/usr/bin/squeue --me --noheader --format='%T %r|%k'",
    parse: ({ stdout, stderr, exitCode }) => {
      if (exitCode !== 0) throw new Error(stderr);
      const jobs = stdout.split('\n').map((line) => line.split('|'));
      return jobs.flatMap(([state = '', comment = '']) => (comment.includes(`:${uuid}`) ? [state] : []));
    },
  });

export const startsOfJob = (host: Host, { uuid, paths }: JobPlan): Promise<number> =>
  host.run({
    line: `ls -d ${paths.execDir}/.kilim/${uuid}/started.* 2>/dev/null | wc -l`,
    parse: ({ stdout }) => Number(stdout),
  });
