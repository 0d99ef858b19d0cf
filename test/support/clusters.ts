import { copyFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';

import { cluster, type Cluster } from './testbed.js';

/** How the tests call the clusters of the test bed. */
export const CLUSTERS = { slurm: 'hpc-slurm', noacct: 'hpc-noacct' } as const;
/** Carol's start-up files are slow and print, Dave's login shell is tcsh. */
const PEOPLE = ['alice', 'bob', 'carol', 'dave'];
const ARCHIVE = 'kilim-shell.tar';

const limits = { maxMinutes: 2880 };
const queues = [
  { name: 'normal', hpcQueueName: 'normal', ...limits },
  { name: 'short', hpcQueueName: 'normal', maxMinutes: 5, maxNodeCount: 1, maxCoresPerNode: 4, maxMemoryMB: 1000 },
  { name: 'closed', hpcQueueName: 'closed', ...limits },
  { name: 'lent', hpcQueueName: 'lent', ...limits },
  { name: 'one', hpcQueueName: 'normal', maxJobs: 1, ...limits },
  { name: 'one-each', hpcQueueName: 'normal', maxJobsPerUser: 1, ...limits },
  { name: 'wrong', hpcQueueName: 'nosuchpartition', ...limits },
]; // prettier-ignore

const system = (id: string, user: string, bed: Cluster) => ({
  id, owner: 'alice', systemType: 'LINUX', host: '127.0.0.1', port: bed.port, defaultAuthnMethod: 'PKI_KEYS', effectiveUserId: user,
  rootDir: bed.users[user]?.home ?? '/', canExec: true, jobWorkingDir: 'workdir', jobRuntimes: [{ runtimeType: 'ZIP' }, { runtimeType: 'SINGULARITY' }],
  canRunBatch: true, batchScheduler: 'SLURM', batchLogicalQueues: queues, batchDefaultLogicalQueue: 'normal',
}); // prettier-ignore

/** The applications run the words of their arguments. */
const containers = (bed: Cluster | undefined) =>
  bed === undefined
    ? []
    : Object.entries({
        'singularity-app': { containerImage: bed.images.busybox },
        'instance-app': { containerImage: bed.images.busybox, runtimeOptions: ['SINGULARITY_START'] },
        'singularity-missing': { containerImage: '/opt/images/not-there.sif' },
      }).map(([id, more]) => ({ id, version: '1', owner: 'alice', runtime: 'SINGULARITY', ...more }));

/** Systems `slurm` and `noacct`, `slurm-carol`, `slurm-dave`, …; applications `zip-USER`, whose archive lies in each home, and those of Singularity. */
export function seedOfClusters(shellArchive: string) {
  const found = Object.entries(CLUSTERS).flatMap(([id, name]) => {
    const bed = cluster(name);
    return bed ? [{ id, bed }] : [];
  });
  const each = found.flatMap(({ id, bed }) =>
    PEOPLE.map((user) => ({ id: user === 'alice' ? id : `${id}-${user}`, user, bed })),
  );
  for (const { user, bed } of each) {
    const target = join(bed.users[user]?.homeOnThisMachine ?? '', ARCHIVE);
    rmSync(target, { force: true });
    copyFileSync(shellArchive, target);
  }
  return {
    systems: each.map(({ id, user, bed }) => system(id, user, bed)),
    credentials: each.map(({ id, user, bed }) => ({
      systemId: id,
      userName: user,
      privateKeyFile: bed.users[user]?.privateKeyFile,
    })),
    apps: [...containers(found[0]?.bed), ...PEOPLE.flatMap((user) => [
      { id: `zip-${user}`, version: '1', owner: 'alice', runtime: 'ZIP', containerImage: `/home/${user}/${ARCHIVE}` },
      { id: `again-${user}`, version: '1', owner: 'alice', runtime: 'ZIP', containerImage: `/home/${user}/${ARCHIVE}`,
        notes: { kilim: { repeatable: true } } },
    ])], // prettier-ignore
  };
}
