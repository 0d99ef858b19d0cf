/** The real parts of the test bed, as `npm test` found them; with CI=true a missing one fails the run. */
interface Part {
  state: string;
  port?: number;
  user?: string;
  home?: string;
  privateKeyFile?: string;
  DATABASE_URL?: string;
  DOCKER_HOST?: string;
}

const bed = JSON.parse(process.env['KILIM_TESTBED'] ?? '{}') as {
  parts?: Record<string, Part>;
  seedFile?: string;
};
const parts = bed.parts ?? {};

/** The systems and applications of the test bed, for `kilim up --seed`. */
export const seedFile = (): string => bed.seedFile ?? '';

/** A cluster's login node, its people and its Slurm. */
export interface Cluster extends Part {
  port: number;
  users: Record<
    string,
    { home: string; homeOnThisMachine: string; privateKeyFile: string; publicKeyFile: string }
  >;
  slurm: { accounting: boolean; memoryLimit: 'kernel' | 'polling'; node: string };
  images: { busybox: string; busyboxOnThisMachine: string };
}

export const cluster = (name: 'hpc-slurm' | 'hpc-noacct'): Cluster | null => {
  const found = parts[name] as Cluster | undefined;
  return found?.state === 'up' ? found : null;
};

export const part = (name: 'vm-ssh' | 'store-ssh' | 'docker' | 'podman' | 'postgres'): Part | null => {
  const found = parts[name];
  return found?.state === 'up' ? found : null;
};
