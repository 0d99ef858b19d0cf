import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { execFile, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { rounded, type Figure, type Measured } from '../figure.js';
import { openProxy } from '../proxy.js';
import { aWorld, sshPart, sshSystem, type SshPart, type World } from '../world.js';

const WHAT =
  '4 KiB inputs from one SSH host to another: on loopback, and with a 20 ms round trip to the execution host; ' +
  'beside a bare `ssh tar | ssh tar` of the same run';

export const manyFiles: Figure = {
  name: 'many-files',
  what: `1,000 × ${WHAT}`,
  targets: { loopbackSeconds: { atMost: 1 }, delayedSeconds: { atMost: 3 } },
  measure: ({ files = 1000, roundTripMs = 20 }) => measureFiles(files, roundTripMs),
};

export const veryManyFiles: Figure = {
  name: 'very-many-files',
  what: `10,000 × ${WHAT}`,
  targets: { delayedSeconds: { atMost: 6 } },
  measure: ({ files = 10_000, roundTripMs = 20 }) => measureFiles(files, roundTripMs),
};

async function measureFiles(files: number, roundTripMs: number): Promise<Measured> {
  const [vm, store] = [sshPart('vm-ssh'), sshPart('store-ssh')];
  const proxy = await openProxy(vm.port, roundTripMs);
  const far = { ...sshSystem('far', vm, proxy.port) };
  const world = await aWorld([sshSystem('vm', vm), sshSystem('store', store), far]);
  const folder = join(store.home, 'bench-files');
  try {
    fill(folder, files);
    const loopback = await staging(world, 'vm', 'bench-files');
    const away = await staging(world, 'far', 'bench-files');
    return {
      measures: {
        loopbackSeconds: rounded(loopback, 2),
        delayedSeconds: rounded(away, 2),
        bareLoopbackSeconds: rounded(await bareCopy(store, vm, vm.port, folder), 2),
        bareDelayedSeconds: rounded(await bareCopy(store, vm, proxy.port, folder), 2),
      },
      parameters: { files, roundTripMs },
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
    await proxy.close();
    await world.stop();
  }
}

/** What `ssh` and `tar` alone need, with their log-ins, in seconds. */
async function bareCopy(from: SshPart, to: SshPart, port: number, folder: string): Promise<number> {
  const ssh = (part: SshPart, at: number): string =>
    `ssh -F none -p ${at} -i '${part.privateKeyFile}' -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null ` +
    `-o LogLevel=ERROR ${part.user}@127.0.0.1`;
  const into = `${to.home}/bench-bare`;
  const began = performance.now();
  // not spawnSync: the delay is made by this process
  await promisify(execFile)('bash', [
    '-c',
    `set -o pipefail; ${ssh(from, from.port)} "tar -C '${folder}' -cf - ." | ${ssh(to, port)} "mkdir -p '${into}' && tar -C '${into}' -xf -"`,
  ]);
  const seconds = (performance.now() - began) / 1000;
  rmSync(into, { recursive: true, force: true });
  return seconds;
}

export const bigFile: Figure = {
  name: 'big-file',
  what: '1 GiB from one SSH host to another with sha256 in the stream, and how much the worker grows by it',
  targets: { megabytesPerSecond: { atLeast: 150 }, workerGrowthMB: { atMost: 100 } },
  async measure({ mebibytes = 1024 }) {
    const [vm, store] = [sshPart('vm-ssh'), sshPart('store-ssh')];
    const world = await aWorld([sshSystem('vm', vm), sshSystem('store', store)]);
    const file = join(store.home, 'bench-big');
    let peak = 0;
    try {
      spawnSync('bash', ['-c', `head -c ${mebibytes}M /dev/urandom > '${file}' && chmod 644 '${file}'`]);
      await staging(world, 'vm', 'bench-files-none', false);
      const before = world.memory('worker');
      const look = setInterval(() => (peak = Math.max(peak, world.memory('worker'))), 200);
      const seconds = await staging(world, 'vm', 'bench-big').finally(() => clearInterval(look));
      return {
        measures: {
          megabytesPerSecond: Math.round((mebibytes * 1.048576) / seconds),
          seconds: rounded(seconds, 2),
          workerGrowthMB: Math.max(0, Math.round((peak - before) / 1e6)),
        },
        parameters: { mebibytes },
      };
    } finally {
      rmSync(file, { force: true });
      await world.stop();
    }
  },
};

interface JobEvent {
  event: string;
  eventDetail: string;
  created: string;
}

/** Runs a job with an input from `store` and says how many seconds its STAGING_INPUTS took. */
async function staging(world: World, system: string, path: string, hasInput = true): Promise<number> {
  const fileInputs = hasInput ? [{ sourceUrl: `tapis://store/${path}`, targetPath: 'in' }] : [];
  const uuid = await world.submit(system, 'true', { fileInputs });
  await world.finished(uuid, 600);
  const events = await world.call<JobEvent[]>('GET', `/v3/jobs/${uuid}/history`);
  const at = (status: string): number =>
    Date.parse(
      events.find((one) => one.event === 'JOB_NEW_STATUS' && one.eventDetail === status)?.created ?? '',
    );
  return (at('STAGING_JOB') - at('STAGING_INPUTS')) / 1000;
}

function fill(folder: string, files: number): void {
  mkdirSync(folder, { recursive: true });
  for (let i = 0; i < files; i++)
    writeFileSync(join(folder, `file-${i}.dat`), Buffer.alloc(4096, i % 251), { mode: 0o644 });
}
