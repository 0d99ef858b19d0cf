import { describe, expect, it } from 'vitest';

import type { Store } from '../../../store/store.js';
import { DATABASES, needsPostgres, type Place, withStore } from './a-store.js';

needsPostgres();

const place = { watchKey: 'watch:dev:h:22:alice', systemId: 'vm', host: 'alice@h' };
const seen = (...uuids: string[]) => uuids.map((uuid) => ({ uuid, what: 'process 1' }));

describe.each(DATABASES)('what runs and has no job on $name', ({ make }) => {
  let where: Place;
  let store: Store;
  withStore(make, (opened) => ({ place: where, store } = opened), 'test');

  it('is new once, and is ended only where an operator decided so', async () => {
    const { orphans } = store;
    expect(await orphans.saveSeen(place, seen('a', 'b'))).toEqual({ fresh: ['a', 'b'], toEnd: [] });
    expect(await orphans.saveSeen(place, seen('a', 'b', 'c'))).toEqual({ fresh: ['c'], toEnd: [] });
    expect(await orphans.decide('nothing', 'end')).toBe(0);
    expect(await orphans.decide('a', 'adopt')).toBe(1);
    expect(await orphans.decide('b', 'end')).toBe(1);
    expect(await orphans.saveSeen(place, seen('a', 'b', 'c'))).toEqual({ fresh: [], toEnd: ['b'] });
    await orphans.remove(place, 'b');
    expect((await orphans.list()).map(({ uuid, decision }) => [uuid, decision])).toEqual([
      ['a', 'adopt'],
      ['c', null],
    ]);
    // a decision about all leaves adopted orphans alone
    expect(await orphans.decide(null, 'end')).toBe(1);
    expect((await orphans.list()).map(({ decision }) => decision)).toEqual(['adopt', 'end']);
  });

  it('counts as one job however many systems lead to its host, and is forgotten after a day unseen', async () => {
    const { orphans } = store;
    await orphans.saveSeen(place, seen('a'));
    await orphans.saveSeen({ ...place, systemId: 'vm-2' }, seen('a'));
    expect(await orphans.decide('a', 'adopt')).toBe(1);
    await orphans.saveSeen(place, []);
    expect(await orphans.list()).toHaveLength(2); // an absent host may hide it
    await where.sql("update orphans set last_seen = '2026-01-01T00:00:00.000000Z'");
    await orphans.saveSeen(place, []);
    expect((await orphans.list()).map(({ systemId }) => systemId)).toEqual(['vm-2']);
  });

  it('does not fill the store, however many made-up tags a host shows', async () => {
    const many = Array.from({ length: 1_500 }, (_, i) => `uuid-${i}`);
    expect((await store.orphans.saveSeen(place, seen(...many))).fresh).toHaveLength(1_000);
    expect(await store.orphans.list()).toHaveLength(1_000);
  });

  it('remembers a restore, and forgets what was seen of hosts before it', async () => {
    expect(await store.orphans.restoredAt()).toBeNull();
    await store.watch.saveSnapshot('k', { a: { is: 'running' } }, new Date().toISOString());
    await store.orphans.markRestored();
    await store.orphans.markRestored();
    expect(Date.now() - Date.parse((await store.orphans.restoredAt()) ?? '')).toBeLessThan(60_000);
    expect(await store.watch.findState('a')).toBeNull();
    expect(await store.watch.snapshotAge('k')).toBeNull();
  });
});
