import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
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

/** A cluster's login node as a plain host. */
const loginNode = (id, { host, port, users }, more) =>
  sshSystem(
    id,
    { host, port, user: 'alice', home: users.alice.home },
    { jobRuntimes: [{ runtimeType: 'SINGULARITY' }, { runtimeType: 'ZIP' }], ...more },
  );

const clusterSystem = (id, cluster) =>
  loginNode(id, cluster, {
    canRunBatch: true,
    batchScheduler: 'SLURM',
    batchLogicalQueues: [{ name: 'normal', hpcQueueName: 'normal', maxMinutes: 2880 }],
    batchDefaultLogicalQueue: 'normal',
  });

const picture = (id, more) => ({
  owner,
  id,
  version: '0.0.1',
  description: 'names what a picture shows',
  ...more,
  jobAttributes: {
    parameterSet: { archiveFilter: { includeLaunchFiles: false } },
    memoryMB: 500,
    nodeCount: 1,
    coresPerNode: 1,
    maxMinutes: 10,
    ...more.jobAttributes,
  },
});

/**
 * img-classify is a Singularity image once there is a cluster: one definition then serves the login node by itself
 * (vm-singularity, FORK) and Slurm (BATCH). Without a cluster it is the Docker image, which always has its own name too.
 */
function apps(docker, cluster) {
  const onDocker = {
    runtime: 'DOCKER',
    containerImage: docker?.images?.imgClassify ?? 'kilim/img-classify:0.0.1',
    jobAttributes: { execSystemId: 'vm-ssh' },
  };
  const image = cluster?.images?.imgClassify;
  if (!image) return [picture('img-classify', onDocker)];
  const onSingularity = {
    runtime: 'SINGULARITY',
    runtimeOptions: ['SINGULARITY_RUN'],
    containerImage: image,
    jobAttributes: { execSystemId: 'vm-singularity' },
  };
  return [picture('img-classify', onSingularity), picture('img-classify-docker', onDocker)];
}

/** Writes what `kilim up --seed` reads, from what runs; systems of other parts are left out. */
export function writeSeed(status) {
  const running = (name) => (status[name]?.state === 'up' ? status[name] : undefined);
  const systems = [];
  const credentials = [];
  const add = (system, { privateKeyFile, publicKeyFile }) => {
    systems.push(system);
    const publicKey = readFileSync(publicKeyFile, 'utf8').trim();
    credentials.push({ systemId: system.id, userName: system.effectiveUserId, privateKeyFile, publicKey });
  };
  const [vm, store] = [running('vm-ssh'), running('store-ssh')];
  const containers = [{ runtimeType: 'DOCKER' }, { runtimeType: 'ZIP' }];
  if (vm) add(sshSystem('vm-ssh', vm, { jobRuntimes: containers }), vm);
  if (vm && running('podman'))
    add(
      sshSystem('vm-podman', vm, {
        jobRuntimes: [{ runtimeType: 'DOCKER' }],
        notes: { kilim: { containerEngine: 'podman' } },
      }),
      vm,
    );
  if (store) add(sshSystem('store-ssh', store, { jobRuntimes: [{ runtimeType: 'ZIP' }] }), store);
  for (const id of ['hpc-slurm', 'hpc-noacct']) {
    const cluster = running(id);
    if (cluster) add(clusterSystem(id, cluster), cluster.users.alice);
  }
  const login = running('hpc-slurm');
  if (login) add(loginNode('vm-singularity', login), login.users.alice);
  const seed = {
    tenant: 'dev',
    users: ['alice', 'train301', 'bob'].map((username) => ({ username, password: username })),
    systems,
    apps: apps(running('docker'), running('hpc-slurm')),
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
