import type { Db } from './database.js';
import { ago, now } from './now.js';
import type { Orphan, OrphanStore, Place } from './orphan-store.js';

const RESTORED = 'restored';
/** An orphan is kept this long unseen, because a host or a container engine that is away hides what still runs there. */
const FORGOTTEN_MS = 24 * 3_600_000;
/** The most orphans of one place that are kept: every process under a login can carry made-up tags. */
const MOST = 1_000;

export const createOrphanStore = (db: Db): OrphanStore => ({
  // in one transaction, so that a thousand orphans do not wait for the disk a thousand times
  saveSeen: (place, seen) => db.transaction().execute((trx) => saveSeen(trx, place, seen)),
  async list() {
    const rows = await db.selectFrom('orphans').selectAll().orderBy('first_seen').execute();
    return rows.map((row) => ({
      systemId: row.system_id,
      host: row.host,
      uuid: row.uuid,
      what: row.what,
      firstSeen: row.first_seen,
      lastSeen: row.last_seen,
      decision: row.decision as Orphan['decision'],
    }));
  },
  async decide(uuid, decision) {
    const changed = db.updateTable('orphans').set({ decision });
    // an orphan that was adopted is ended only where its uuid is given
    const rows = await (
      uuid === null ? changed.where('decision', 'is', null) : changed.where('uuid', '=', uuid)
    )
      .returning('uuid')
      .execute();
    return new Set(rows.map((row) => row.uuid)).size;
  },
  async remove({ watchKey, systemId }, uuid) {
    await db
      .deleteFrom('orphans')
      .where((eb) => eb.and({ watch_key: watchKey, system_id: systemId, uuid }))
      .execute();
  },
  async markRestored() {
    const at = now();
    await db.transaction().execute(async (trx) => {
      // an old state "running" would keep a job from asking its host for minutes
      await trx.deleteFrom('remote_states').execute();
      await trx.deleteFrom('host_snapshots').execute();
      await trx
        .insertInto('marks')
        .values({ name: RESTORED, at })
        .onConflict((oc) => oc.column('name').doUpdateSet({ at }))
        .execute();
    });
  },
  async restoredAt() {
    const row = await db.selectFrom('marks').select('at').where('name', '=', RESTORED).executeTakeFirst();
    return row?.at ?? null;
  },
});

async function saveSeen(
  db: Db,
  { watchKey, systemId, host }: Place,
  seen: readonly { uuid: string; what: string }[],
): ReturnType<OrphanStore['saveSeen']> {
  const at = now();
  const ofPlace = { watch_key: watchKey, system_id: systemId };
  const known = await db
    .selectFrom('orphans')
    .selectAll()
    .where((eb) => eb.and(ofPlace))
    .execute();
  const byUuid = new Map(known.map((row) => [row.uuid, row]));
  let room = MOST - known.length;
  const fresh = seen.filter(({ uuid }) => !byUuid.has(uuid) && room-- > 0);
  for (const { uuid, what } of seen.filter((one) => byUuid.has(one.uuid)))
    await db
      .updateTable('orphans')
      .set({ last_seen: at, what })
      .where((eb) => eb.and({ ...ofPlace, uuid }))
      .execute();
  for (const { uuid, what } of fresh)
    await db
      .insertInto('orphans')
      .values({ ...ofPlace, uuid, host, what, first_seen: at, last_seen: at, decision: null })
      .onConflict((oc) => oc.doNothing())
      .execute();
  await db
    .deleteFrom('orphans')
    .where((eb) => eb.and(ofPlace))
    .where('last_seen', '<', ago(FORGOTTEN_MS))
    .execute();
  const toEnd = seen.filter(({ uuid }) => byUuid.get(uuid)?.decision === 'end').map(({ uuid }) => uuid);
  return { fresh: fresh.map(({ uuid }) => uuid), toEnd };
}
