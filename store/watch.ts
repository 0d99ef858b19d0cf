import type { RemoteState } from '../domain/jobs/remote.js';
import type { Database, Db } from './database.js';
import { lockFor } from './lock.js';
import { now } from './now.js';
import type { WatchStore } from './store.js';
import type { Kysely } from 'kysely';

export function createWatchStore(db: Db): WatchStore {
  const save = (on: Kysely<Database>, watch_key: string, job_uuid: string, state: RemoteState, seen_at: string) =>
    on.insertInto('remote_states').values({ job_uuid, watch_key, state: JSON.stringify(state), seen_at })
      // an end is final: a later look that saw less must not undo it
      .onConflict((oc) => oc.column('job_uuid').doUpdateSet({ state: JSON.stringify(state), seen_at }).where('remote_states.state', 'not like', '{"is":"over"%')).execute(); // prettier-ignore
  return {
    async liveJobs(key) {
      const rows = await db
        .selectFrom('jobs')
        .select(['uuid', 'remote_job_id', 'keeper'])
        .where('watch_key', '=', key)
        .where('ended', 'is', null)
        .execute();
      return rows.map((row) => ({ uuid: row.uuid, remoteJobId: row.remote_job_id, keeper: row.keeper }));
    },
    async saveSnapshot(key, snapshot, takenAt) {
      await db.transaction().execute(async (trx) => {
        await trx.insertInto('host_snapshots').values({ watch_key: key, taken_at: takenAt })
          .onConflict((oc) => oc.column('watch_key').doUpdateSet({ taken_at: takenAt })).execute(); // prettier-ignore
        for (const [uuid, state] of Object.entries(snapshot))
          if (state.is === 'over') await save(trx, key, uuid, state, takenAt);
      });
    },
    async saveState(key, uuid, state, seenAt) {
      await save(db, key, uuid, state, seenAt);
    },
    async findState(uuid) {
      const row = await db
        .selectFrom('remote_states')
        .selectAll()
        .where('job_uuid', '=', uuid)
        .executeTakeFirst();
      return row ? { state: JSON.parse(row.state) as RemoteState, seenAt: row.seen_at } : null;
    },
    async snapshotAge(key) {
      const row = await db
        .selectFrom('host_snapshots')
        .select('taken_at')
        .where('watch_key', '=', key)
        .executeTakeFirst();
      return row ? Date.now() - Date.parse(row.taken_at) : null;
    },
    claimProbe: (subject, everyMs) =>
      db.transaction().execute(async (trx) => {
        await lockFor(trx, subject);
        const row = await trx
          .selectFrom('probes')
          .selectAll()
          .where('subject', '=', subject)
          .executeTakeFirst();
        const last = {
          ok: row?.ok === null || row?.ok === undefined ? null : row.ok === 1,
          said: row?.said ?? null,
          at: row?.at ?? null,
        };
        if (row && row.claimed_ms > Date.now() - everyMs) return { mine: false, ...last };
        const claimed_ms = Date.now();
        await trx.insertInto('probes').values({ subject, claimed_ms, ok: null, said: null, at: null })
          .onConflict((oc) => oc.column('subject').doUpdateSet({ claimed_ms, ok: null })).execute(); // prettier-ignore
        return { mine: true, ...last };
      }),
    async saveProbe(subject, ok, said) {
      await db
        .updateTable('probes')
        .set({ ok: ok ? 1 : 0, said, at: now() })
        .where('subject', '=', subject)
        .execute();
    },
  };
}
