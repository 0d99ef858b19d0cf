import { parseArgs } from 'node:util';

import type { Orphan, OrphanStore } from '../store/orphan-store.js';

const USAGE = 'The command is one of: orphans list, orphans adopt UUID|--all, orphans end UUID|--all.';
const DECIDED = { adopt: 'adopted', end: 'to be ended' } as const;

/**
 * `orphans list|adopt|end`: processes, containers and Slurm jobs on hosts that carry the tag of this installation, and whose
 * job is not in the store.
 * @throws Error where the words are no such command, or name both a job and `--all`: then only one of them can be meant
 */
export async function orphans(store: OrphanStore, words: string[]): Promise<string> {
  const { values, positionals } = parseArgs({
    args: words,
    options: { all: { type: 'boolean' } },
    allowPositionals: true,
  });
  const [deed, uuid, ...rest] = positionals;
  if (deed === 'list') return table(await store.list(), await store.restoredAt());
  const isOneChoice = (uuid === undefined) === (values.all === true);
  if ((deed !== 'adopt' && deed !== 'end') || !isOneChoice || rest.length > 0) throw new Error(USAGE);
  const count = await store.decide(uuid ?? null, deed);
  if (count === 0)
    throw new Error(
      uuid === undefined ? 'A decision was already taken about every orphan.' : `There is no orphan ${uuid}.`,
    );
  const jobs = count === 1 ? '1 job is' : `${count} jobs are`;
  return deed === 'adopt'
    ? `${jobs} left alone, and not reported again.`
    : `${jobs} ended when a worker looks at the host next (KILIM_SWEEP_MINUTES).`;
}

function table(found: Orphan[], restoredAt: string | null): string {
  const since = restoredAt === null ? '' : `A backup was restored at ${restoredAt}.\n`;
  if (found.length === 0)
    return `${since}On the hosts that were looked at, nothing was found that has no job in the store.`;
  const rows = found.map(({ systemId, host, uuid, what, firstSeen, lastSeen, decision }) => [
    uuid,
    systemId,
    host,
    what,
    firstSeen.slice(0, 19),
    lastSeen.slice(0, 19),
    decision === null ? 'reported' : DECIDED[decision],
  ]);
  const all = [['JOB', 'SYSTEM', 'HOST', 'WHAT RUNS', 'FIRST SEEN', 'LAST SEEN', 'STATE'], ...rows];
  const widths = all[0]?.map((_head, i) => Math.max(...all.map((row) => row[i]?.length ?? 0))) ?? [];
  return `${since}${all
    .map((row) =>
      row
        .map((cell, i) => cell.padEnd(widths[i] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')}`;
}
