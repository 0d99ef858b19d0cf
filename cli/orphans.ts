import type { Orphan, OrphanStore } from '../store/orphan-store.js';

const USAGE = 'It is one of: orphans list, orphans adopt UUID|--all, orphans end UUID|--all.';
const DECIDED = { adopt: 'adopted', end: 'to be ended' } as const;

/** `orphans list|adopt|end`: what runs on hosts with our tag and has no job in the store. */
export async function orphans(store: OrphanStore, [deed, which]: string[]): Promise<string> {
  if (deed === 'list') return table(await store.list(), await store.restoredAt());
  if ((deed !== 'adopt' && deed !== 'end') || which === undefined) throw new Error(USAGE);
  const count = await store.decide(which === '--all' ? null : which, deed);
  if (count === 0)
    throw new Error(
      which === '--all' ? 'There is none about which nothing was decided.' : `There is no orphan ${which}.`,
    );
  const jobs = count === 1 ? '1 job is' : `${count} jobs are`;
  return deed === 'adopt'
    ? `${jobs} left alone, and not reported again.`
    : `${jobs} ended when a worker looks at the host next (KILIM_SWEEP_MINUTES).`;
}

function table(found: Orphan[], restoredAt: string | null): string {
  const since = restoredAt === null ? '' : `A backup was restored at ${restoredAt}.\n`;
  if (found.length === 0)
    return `${since}Nothing that the store does not know was seen on the hosts, as far as they were looked at.`;
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
