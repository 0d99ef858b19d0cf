import { spawnSync } from 'node:child_process';
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';

import { aWorld, ROOT, type SeedSystem, type World } from './world.js';

/** A login node of the test bed, and alice there. */
export interface LoginNode {
  port: number;
  home: string;
  homeOnThisMachine: string;
  privateKeyFile: string;
  /** Runs a bash script as alice, by the plain ssh client. */
  run: (script: string) => string;
}

/** @throws Error that says how to get it */
export function loginNode(): LoginNode {
  const said = spawnSync(process.execPath, [join(ROOT, 'test/testbed/main.mjs'), 'status'], {
    encoding: 'utf8',
  });
  const parts =
    said.status === 0 ? (JSON.parse(said.stdout) as { parts?: Record<string, Part> }).parts : undefined;
  const found = parts?.['hpc-slurm'];
  const alice = found?.users?.['alice'];
  if (found?.state !== 'up' || !alice)
    throw new Error('hpc-slurm is not up: npm run testbed -- up hpc-slurm');
  const { port } = found;
  const words = ['-p', String(port), '-i', alice.privateKeyFile, '-o', 'BatchMode=yes', '-o', 'StrictHostKeyChecking=no',
    '-o', 'UserKnownHostsFile=/dev/null', '-o', 'LogLevel=ERROR', 'alice@127.0.0.1', 'bash', '-s']; // prettier-ignore
  return {
    port,
    ...alice,
    run(script) {
      const { status, stdout, stderr } = spawnSync('ssh', words, { encoding: 'utf8', input: script });
      if (status !== 0) throw new Error(`on the login node: ${stderr}`);
      return stdout;
    },
  };
}

interface Part {
  state: string;
  port: number;
  users?: Record<string, { home: string; homeOnThisMachine: string; privateKeyFile: string }>;
}

/** The cluster as the system `slurm`, through another port where a delay stands between. */
const slurmSystem = (node: LoginNode, port: number): SeedSystem => ({
  system: {
    id: 'slurm', owner: 'alice', systemType: 'LINUX', host: '127.0.0.1', port, defaultAuthnMethod: 'PKI_KEYS', effectiveUserId: 'alice',
    rootDir: node.home, canExec: true, jobWorkingDir: 'workdir', jobRuntimes: [{ runtimeType: 'ZIP' }],
    canRunBatch: true, batchScheduler: 'SLURM', batchDefaultLogicalQueue: 'normal',
    batchLogicalQueues: ['normal', 'closed'].map((name) => ({ name, hpcQueueName: name, maxMinutes: 2880 })),
  },
  credential: { systemId: 'slurm', userName: 'alice', privateKeyFile: node.privateKeyFile },
}); // prettier-ignore

/** A Kilim with the cluster and the smallest application there. */
export async function aClusterWorld(node: LoginNode, port = node.port): Promise<World> {
  const world = await aWorld([slurmSystem(node, port)]);
  copyFileSync(join(world.home, 'apps/shell.tar'), join(node.homeOnThisMachine, 'bench-shell.tar'));
  const app = {
    id: 'shell-slurm',
    version: '1',
    runtime: 'ZIP',
    containerImage: `${node.home}/bench-shell.tar`,
  };
  await world.call('POST', '/v3/apps', app);
  return world;
}

export const batchJob = (world: World, script: string, more: Record<string, unknown> = {}): Promise<string> =>
  world.submit('slurm', script, { appId: 'shell-slurm', jobType: 'BATCH', ...more });
