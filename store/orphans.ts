import type { Db } from './database.js';
import { ago, now } from './now.js';
import type { OrphanStore, Orphan } from './orphan-store.js';

const RESTORED = 'restored';
/** A container engine that is away, or a host, hides for a while what still runs. */
const FORGOTTEN_MS = 24 * 3_600_000;
/** Anybody who may run processes under a login can make up tags: so many of one place are written down. */
const MOST = 1_000;

export const createOrphanStore = (db: Db): OrphanStore => ({
  async saveSeen({ watchKey, systemId, host }, seen) {
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
  },
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
    // what was adopted is ended only by its name
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
      // an old "it runs" would keep a job from asking its host for minutes
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
