import { mkdirSync, writeFileSync } from 'node:fs';
import { at } from './lib/settings.mjs';

export const seedFile = at('seed.json');

const owner = 'alice';
const linux = { owner, systemType: 'LINUX', defaultAuthnMethod: 'PKI_KEYS' };

const sshSystem = (id, { host, port, user, home }, more) => ({
  ...linux,
  id,
  host,
  port,
  effectiveUserId: user,
  rootDir: home,
  canExec: true,
  jobWorkingDir: 'workdir',
  ...more,
});

const clusterSystem = (id, { host, port, users }) =>
  sshSystem(id, { host, port, user: 'alice', home: users.alice.home }, {
    jobRuntimes: [{ runtimeType: 'SINGULARITY' }, { runtimeType: 'ZIP' }],
    canRunBatch: true,
    batchScheduler: 'SLURM',
    batchLogicalQueues: [{ name: 'normal', hpcQueueName: 'normal', maxMinutes: 2880 }],
    batchDefaultLogicalQueue: 'normal',
  });

/** One definition serves the VM-like host and the cluster; without a cluster there is only the Docker image. */
function imgClassify(cluster, docker) {
  const common = {
    owner,
    id: 'img-classify',
    version: '0.0.1',
    description: 'names what a picture shows',
    jobAttributes: {
      execSystemId: 'vm-ssh',
      parameterSet: { archiveFilter: { includeLaunchFiles: false } },
      memoryMB: 1,
      nodeCount: 1,
      coresPerNode: 1,
      maxMinutes: 10,
    },
  };
  const image = cluster?.images?.imgClassify;
  if (!image) return { ...common, runtime: 'DOCKER', containerImage: docker?.images?.imgClassify ?? 'kilim/img-classify:0.0.1' };
  return {
    ...common,
    runtime: 'SINGULARITY',
    runtimeOptions: ['SINGULARITY_RUN'],
    containerImage: image,
    jobAttributes: { ...common.jobAttributes, execSystemId: 'hpc-slurm' },
  };
}

/** Writes what `kilim up --seed` reads, from what is there; systems of absent parts are left out. */
export function writeSeed(status) {
  const here = (name) => (status[name] && status[name].state !== 'absent' ? status[name] : undefined);
  const systems = [];
  const credentials = [];
  const add = (system, { privateKeyFile }) => {
    systems.push(system);
    credentials.push({ systemId: system.id, userName: system.effectiveUserId, privateKeyFile });
  };
  const [vm, store] = [here('vm-ssh'), here('store-ssh')];
  const containers = [{ runtimeType: 'DOCKER' }, { runtimeType: 'ZIP' }];
  if (vm) add(sshSystem('vm-ssh', vm, { jobRuntimes: containers }), vm);
  if (store) add(sshSystem('store-ssh', store, { jobRuntimes: [{ runtimeType: 'ZIP' }] }), store);
  for (const id of ['hpc-slurm', 'hpc-noacct']) {
    const cluster = here(id);
    if (cluster) add(clusterSystem(id, cluster), cluster.users.alice);
  }
  const seed = {
    tenant: 'dev',
    users: ['alice', 'train301', 'bob'].map((username) => ({ username, password: username })),
    systems,
    apps: [imgClassify(here('hpc-slurm'), here('docker'))],
    credentials,
    profiles: [
      {
        name: 'tacc',
        owner,
        moduleLoads: [{ moduleLoadCommand: 'module load', modulesToLoad: ['tacc-singularity'] }],
        hiddenOptions: ['MEM'],
      },
    ],
  };
  mkdirSync(at(), { recursive: true });
  writeFileSync(seedFile, `${JSON.stringify(seed, null, 2)}\n`, { mode: 0o600 });
}
