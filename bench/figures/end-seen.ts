import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

import { percentile, rounded, type Figure } from '../figure.js';
import { aWorld, sshPart, sshSystem, type World } from '../world.js';

/**
 * From the wrapper's last instant (its exit record, written before it tells) to `remoteEnded` of the row. Host and
 * Kilim share one clock here.
 */
export const endSeen: Figure = {
  name: 'end-seen',
  what: "the end of a run is seen after: with the host's channel, and without it",
  targets: { withChannelP95Ms: { atMost: 100 }, withoutChannelMaxSeconds: { atMost: 30 } },
  async measure({ jobs = 20 }) {
    const vm = sshPart('vm-ssh');
    const world = await aWorld([sshSystem('vm', vm)]);
    try {
      await world.finished(await world.submit('vm', 'true'));
      const quick = await delays(world, vm.home, jobs);
      closeEvents(vm.home, '000');
      const slow = await delays(world, vm.home, jobs).finally(() => closeEvents(vm.home, '755'));
      return {
        measures: {
          withChannelP50Ms: rounded(percentile(quick, 0.5)),
          withChannelP95Ms: rounded(percentile(quick, 0.95)),
          withoutChannelMaxSeconds: rounded(Math.max(...slow) / 1000),
        },
        parameters: { jobs },
      };
    } finally {
      await world.stop();
    }
  },
};

async function delays(world: World, home: string, jobs: number): Promise<number[]> {
  const uuids: string[] = [];
  for (let i = 0; i < jobs; i++) uuids.push(await world.submit('vm', `sleep ${(3 + i * 0.2).toFixed(1)}`));
  const each: number[] = [];
  for (const uuid of uuids) {
    await world.finished(uuid);
    const { remoteEnded } = await world.call<{ remoteEnded: string }>('GET', `/v3/jobs/${uuid}`);
    const record = readFileSync(`${home}/workdir/jobs/${uuid}/.kilim/${uuid}/exit`, 'utf8');
    each.push(Date.parse(remoteEnded) - Number(record.trim().split(' ')[2]));
  }
  return each;
}

/** Where the folder of the event logs is closed, wrappers cannot tell and nobody can listen. */
function closeEvents(home: string, mode: string): void {
  spawnSync('bash', ['-c', `chmod ${mode} '${home}'/.kilim/*/events; chown root '${home}'/.kilim/*/events`]);
  if (mode !== '000') {
    spawnSync('bash', ['-c', `chown --reference='${home}' '${home}'/.kilim/*/events`]);
    return;
  }
  // who listens already has the file open
  spawnSync('bash', [
    '-c',
    `for fd in /proc/[0-9]*/fd/*; do case $(readlink "$fd") in '${home}'/.kilim/*/events/*.log) p=\${fd#/proc/}; kill "\${p%%/*}" ;; esac; done`,
  ]);
}
