import { spawnSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';

import { aClusterWorld, batchJob, loginNode, type LoginNode } from '../cluster.js';
import { percentile, rounded, type Figure } from '../figure.js';
import type { World } from '../world.js';
import { listPageP50Ms } from './parked.js';

/** Milliseconds from sbatch to the last line of the script, without Kilim. */
const bareMs = (node: LoginNode): number =>
  Number(
    node.run(
      [
        'd=$(mktemp -d -p "$HOME"); begin=$(date +%s%3N)',
        'sbatch --quiet --output=/dev/null --wrap "date +%s%3N > $d/tmp; mv $d/tmp $d/end" > /dev/null',
        'until [ -s "$d/end" ]; do sleep 0.02; done; echo $(($(cat "$d/end") - begin)); rm -rf "$d"',
      ].join('\n'),
    ),
  );

export const slurmOneJob: Figure = {
  name: 'slurm-one-job',
  what: "one no-op ZIP BATCH job, submit to FINISHED, beside a bare sbatch of the same run's; ends seen after",
  targets: { beyondSlurmP50Ms: { atMost: 300 }, endSeenP95Ms: { atMost: 150 } },
  async measure({ jobs = 20 }) {
    const node = loginNode();
    const world = await aClusterWorld(node);
    try {
      const ours: number[] = [];
      const bare: number[] = [];
      const seen: number[] = [];
      for (let i = -2; i < jobs; i++) {
        const begin = performance.now();
        const uuid = await batchJob(world, 'true');
        await world.finished(uuid);
        const took = performance.now() - begin;
        const alone = bareMs(node);
        if (i < 0) continue; // the first ones warm connections and caches
        ours.push(took);
        bare.push(alone);
        seen.push(await endSeenMs(world, node, uuid));
      }
      return {
        measures: {
          p50Ms: rounded(percentile(ours, 0.5)),
          bareSbatchP50Ms: rounded(percentile(bare, 0.5)),
          beyondSlurmP50Ms: rounded(percentile(ours, 0.5) - percentile(bare, 0.5)),
          endSeenP95Ms: rounded(percentile(seen, 0.95)),
        },
        parameters: { jobs },
      };
    } finally {
      await world.stop();
    }
  },
};

/** From the wrapper's exit record to the row; host and Kilim share one clock here. */
async function endSeenMs(world: World, node: LoginNode, uuid: string): Promise<number> {
  const { remoteEnded } = await world.call<{ remoteEnded: string }>('GET', `/v3/jobs/${uuid}`);
  const record = node.run(`cat "$HOME/workdir/jobs/${uuid}/.kilim/${uuid}/exit"`);
  return Date.parse(remoteEnded) - Number(record.trim().split(' ')[2]);
}

export const slurmQuiet: Figure = {
  name: 'slurm-quiet',
  what: 'jobs queued and running: calls to slurmctld per second for looking, by sdiag, with the channel and without it',
  targets: {
    withChannelPerSecond: { atMost: 0.02 },
    withoutChannelPerSecond: { atMost: 0.15 },
    workerMB: { atMost: 1000 }, // of 2,000 jobs: --jobs 2000
    listPageP50Ms: { atMost: 50 },
  },
  async measure({ jobs = 500, seconds = 180 }) {
    const node = loginNode();
    const world = await aClusterWorld(node);
    const uuids: string[] = [];
    try {
      // a fifth of them runs
      for (let n = 0; n < jobs; n++)
        uuids.push(
          await batchJob(world, 'sleep 3000', {
            maxMinutes: 60,
            execSystemLogicalQueue: n % 5 === 0 ? 'normal' : 'closed',
          }),
        );
      await untilSettled(world, jobs);
      const withChannel = await callsPerSecond(node, seconds);
      const workerMB = Math.round(world.memory('worker') / 1e6);
      const pageMs = await listPageP50Ms(world);
      closeEvents(node, '000');
      await sleep(70_000); // the next look finds the channel gone
      const without = await callsPerSecond(node, seconds).finally(() => closeEvents(node, '755'));
      return {
        measures: {
          withChannelPerSecond: rounded(withChannel, 3),
          withoutChannelPerSecond: rounded(without, 3),
          workerMB,
          listPageP50Ms: pageMs,
        },
        parameters: { jobs, seconds },
      };
    } finally {
      await world.stop();
      node.run('scancel --me');
    }
  },
};

async function untilSettled(world: World, jobs: number): Promise<void> {
  for (const deadline = Date.now() + 10 * 60_000; ; await sleep(1_000)) {
    const all = await world.call<{ status: string }[]>('GET', '/v3/jobs/list?limit=-1');
    const there = (status: string): number => all.filter((job) => job.status === status).length;
    if (there('RUNNING') >= jobs / 10 && there('RUNNING') + there('QUEUED') >= jobs) break;
    if (Date.now() > deadline) throw new Error('the jobs did not all reach the queue');
  }
  await sleep(30_000); // what a job looks at after its launch is no waiting
}

/** What slurmctld counted for alice, without the call that asks. */
async function callsPerSecond(node: LoginNode, seconds: number): Promise<number> {
  const count = (): number => Number(/^\s*alice\s.*count:(\d+)/m.exec(node.run('sdiag'))?.[1] ?? 0);
  const before = count();
  await sleep(seconds * 1000);
  return (count() - before - 1) / seconds;
}

/** Where the folder of the event logs is closed, wrappers cannot tell and nobody can listen. */
function closeEvents({ homeOnThisMachine }: LoginNode, mode: '000' | '755'): void {
  const events = `'${homeOnThisMachine}'/.kilim/*/events`;
  const owner = mode === '000' ? 'chown root' : `chown --reference='${homeOnThisMachine}'`;
  spawnSync('bash', ['-c', `chmod ${mode} ${events}; ${owner} ${events}`]);
  // who listens already has the file open
  if (mode === '000') spawnSync('bash', ['-c', `fuser -k -TERM ${events}/*.log`]);
}
