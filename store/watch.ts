import type { Kysely } from 'kysely';

import type { RemoteState, Snapshot } from '../domain/jobs/remote.js';
import type { Database, Db } from './database.js';
import { lock } from './dialects.js';
import { JOB_COLUMNS } from './job-columns.js';
import { toJob } from './job-rows.js';
import { ago, now } from './now.js';
import type { WatchStore } from './watch-store.js';
import { clip } from './texts.js';

/** Far below the bound values that a statement may have. */
const BATCH = 500;

export const createWatchStore = (db: Db): WatchStore => ({
  async liveJobs(key) {
    const rows = await db
      .selectFrom('jobs')
      .select(['uuid', 'remote_job_id', 'keeper', 'launched_on'])
      .where('watch_key', '=', key)
      .where('ended', 'is', null)
      .execute();
    return rows.map((row) => ({
      uuid: row.uuid,
      remoteJobId: row.remote_job_id,
      keeper: row.keeper,
      launchedOn: row.launched_on,
    }));
  },
  async saveSnapshot(key, snapshot, takenAt) {
    await db.transaction().execute(async (trx) => {
      await trx.insertInto('host_snapshots').values({ watch_key: key, taken_at: takenAt })
        .onConflict((oc) => oc.column('watch_key').doUpdateSet({ taken_at: takenAt })).execute(); // prettier-ignore
      const seen = Object.entries(snapshot).map(([uuid, state]) => [uuid, textOf(state)] as const);
      for (let from = 0; from < seen.length; from += BATCH) {
        const some = seen.slice(from, from + BATCH);
        await saveChanged(trx, key, some, takenAt);
        await trx.updateTable('jobs').set({ remote_last_status_check: now() })
          .where('uuid', 'in', some.map(([uuid]) => uuid)).where('ended', 'is', null).execute(); // prettier-ignore
      }
    });
  },
  async hasUnseen(key) {
    const row = await db
      .selectFrom('jobs')
      .select('uuid')
      .where('watch_key', '=', key)
      .where('ended', 'is', null)
      .where('remote_job_id', 'is not', null)
      .where('status', 'in', ['QUEUED', 'RUNNING'])
      .where((eb) =>
        eb.not(
          eb.exists(eb.selectFrom('remote_states').select('job_uuid').whereRef('job_uuid', '=', 'jobs.uuid')),
        ),
      )
      .limit(1)
      .executeTakeFirst();
    return row !== undefined;
  },
  async saveState(key, uuid, state, seenAt) {
    await save(db, key, [[uuid, textOf(state)]], seenAt);
  },
  async findState(uuid) {
    const row = await db
      .selectFrom('remote_states')
      .select(['state', 'seen_at'])
      .where('job_uuid', '=', uuid)
      .executeTakeFirst();
    return row ? { state: JSON.parse(row.state) as RemoteState, seenAt: row.seen_at } : null;
  },
  async findStates(uuids) {
    const found: Snapshot = {};
    for (let from = 0; from < uuids.length; from += BATCH) {
      const rows = await db
        .selectFrom('remote_states')
        .select(['job_uuid', 'state'])
        .where('job_uuid', 'in', uuids.slice(from, from + BATCH))
        .execute();
      for (const { job_uuid, state } of rows) found[job_uuid] = JSON.parse(state) as RemoteState;
    }
    return found;
  },
  async tellQueued(uuid, message) {
    await db
      .updateTable('jobs')
      .set({ last_message: clip(message), last_updated: now() })
      .where('uuid', '=', uuid)
      .where('status', '=', 'QUEUED')
      .where('last_message', '!=', clip(message))
      .execute();
  },
  async snapshotAge(key) {
    const row = await db
      .selectFrom('host_snapshots')
      .select('taken_at')
      .where('watch_key', '=', key)
      .executeTakeFirst();
    return row ? ageOf(row.taken_at) : null;
  },
  async newestJobs(ms) {
    const rows = await db
      .selectFrom('jobs')
      .select(JOB_COLUMNS)
      .where('id', 'in', (eb) =>
        eb
          .selectFrom('jobs')
          .select(({ fn }) => fn.max('id').as('id'))
          .where('last_updated', '>', ago(ms))
          .where('remote_job_id', 'is not', null)
          .groupBy(['watch_key', 'exec_system_id']),
      )
      .execute();
    return rows.map(toJob);
  },
  async snapshotAges() {
    const rows = await db
      .selectFrom('host_snapshots')
      .select(['watch_key', 'taken_at'])
      .where('watch_key', 'in', (eb) =>
        eb.selectFrom('jobs').select('jobs.watch_key').where('jobs.ended', 'is', null),
      )
      .execute();
    return rows.map(({ watch_key, taken_at }) => ({
      key: watch_key,
      ageMs: ageOf(taken_at) ?? 0,
    }));
  },
  claimProbe: (subject, everyMs) =>
    db.transaction().execute(async (trx) => {
      await lock(trx, [`probe ${subject}`]);
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
      const claimed_ms = Date.now();
      if (row && row.claimed_ms > claimed_ms - everyMs && row.claimed_ms <= claimed_ms + SKEW_MS)
        return { mine: false, ...last };
      // while one looks, nobody goes by an older answer
      await trx.insertInto('probes').values({ subject, claimed_ms, ok: null, said: null, at: null })
        .onConflict((oc) => oc.column('subject').doUpdateSet({ claimed_ms, ok: null })).execute(); // prettier-ignore
      return { mine: true, ...last };
    }),
  async saveProbe(subject, ok, said) {
    await db
      .updateTable('probes')
      .set({ ok: ok ? 1 : 0, said: clip(said), at: now() })
      .where('subject', '=', subject)
      .execute();
  },
});

type Seen = readonly (readonly [uuid: string, state: string])[];

/** The clocks of two programs may differ by this much. An instant further ahead was written before a clock went back. */
const SKEW_MS = 60_000;

/** Milliseconds since an instant; null where the clock went back so far since then that it cannot tell. */
const ageOf = (instant: string): number | null => {
  const age = Date.now() - Date.parse(instant);
  return age < -SKEW_MS ? null : Math.max(0, age);
};

/** `is` comes first, so that the text shows an end by its beginning. */
const OVER = '{"is":"over"';
const textOf = ({ is, ...more }: RemoteState): string => JSON.stringify({ is, ...more });

/** A host tells of all its jobs at every look; nearly all of them are as they were. */
async function saveChanged(trx: Kysely<Database>, key: string, seen: Seen, takenAt: string): Promise<void> {
  const rows = await trx
    .selectFrom('remote_states')
    .select(['job_uuid', 'state'])
    .where(
      'job_uuid',
      'in',
      seen.map(([uuid]) => uuid),
    ) // prettier-ignore
    .execute();
  const known = new Map(rows.map(({ job_uuid, state }) => [job_uuid, state]));
  const changed = seen.filter(
    ([uuid, state]) => known.get(uuid) !== state && !known.get(uuid)?.startsWith(OVER),
  );
  if (changed.length > 0) await save(trx, key, changed, takenAt);
}

const save = async (on: Kysely<Database>, watch_key: string, seen: Seen, seen_at: string): Promise<void> => {
  await on
    .insertInto('remote_states')
    .values(seen.map(([job_uuid, state]) => ({ job_uuid, watch_key, state, seen_at })))
    // an end is final: a later look that saw less must not undo it
    .onConflict((oc) =>
      oc
        .column('job_uuid')
        .doUpdateSet((eb) => ({ state: eb.ref('excluded.state'), seen_at: eb.ref('excluded.seen_at') }))
        .where('remote_states.state', 'not like', `${OVER}%`),
    )
    .execute();
};
