import { createHash } from 'node:crypto';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The repository that this test bed belongs to. */
export const repository = resolve(dirname(fileURLToPath(import.meta.url)), '../../..');

const usual = '/var/tmp/kilim-testbed';

/** Everything the test bed owns lies below this folder. */
export const base = resolve(process.env.KILIM_TESTBED_DIR ?? usual);

const digest = createHash('sha256').update(base).digest();

/** Accounts, the network bridge and control groups belong to the whole machine: a second test bed has its own. */
export const tag = base === usual ? '' : `-${digest.toString('hex').slice(0, 4)}`;
export const bridgeAddress = `172.29.${base === usual ? 77 : digest[2]}.1/24`;

/** A path below the test bed's folder. */
export const at = (...names) => join(base, ...names);

const firstPort = Number(process.env.KILIM_TESTBED_PORT_BASE ?? 23000);
if (!Number.isInteger(firstPort) || firstPort < 1024 || firstPort > 64_000) {
  throw new Error(`KILIM_TESTBED_PORT_BASE must be a port number from 1024 to 64000`);
}

/** Loopback only. One override moves them all, so that two test beds never meet half-way. */
export const ports = {
  vmSsh: firstPort + 22,
  storeSsh: firstPort + 23,
  postgres: firstPort + 432,
  'hpc-slurm': {
    ssh: firstPort + 122,
    slurmctld: firstPort + 117,
    slurmdbd: firstPort + 119,
    slurmd: firstPort + 150,
  },
  'hpc-noacct': {
    ssh: firstPort + 222,
    slurmctld: firstPort + 217,
    slurmdbd: firstPort + 219,
    slurmd: firstPort + 250,
  },
};
