import { expect, it, vi } from 'vitest';

import { orphans } from '../../../cli/orphans.js';
import type { OrphanStore } from '../../../store/orphan-store.js';

const UUID = '11111111-1111-4111-8111-111111111111-007';

function aStore(count = 1) {
  const decide = vi.fn<OrphanStore['decide']>(() => Promise.resolve(count));
  const store = {
    decide,
    list: () => Promise.resolve([]),
    restoredAt: () => Promise.resolve(null),
  } as unknown as OrphanStore;
  return { store, decide };
}

it.each([
  [['adopt', UUID], UUID, 'adopt'],
  [['end', UUID], UUID, 'end'],
  [['end', '--all'], null, 'end'],
  [['--all', 'adopt'], null, 'adopt'],
])('takes the decision of %j', async (words, uuid, decision) => {
  const { store, decide } = aStore();
  await orphans(store, words);
  expect(decide.mock.calls).toEqual([[uuid, decision]]);
});

it.each([
  [['end', '--all', UUID]],
  [['end', UUID, '--all']],
  [['end', UUID, UUID]],
  [['end']],
  [['adopt']],
  [['forget', UUID]],
  [[]],
])('decides nothing by %j, which names no job, several, or both a job and all', async (words) => {
  const { store, decide } = aStore();
  await expect(orphans(store, words)).rejects.toThrow('The command is one of: orphans list');
  expect(decide).not.toHaveBeenCalled();
});

it('says where there is nothing to decide about', async () => {
  const { store } = aStore(0);
  await expect(orphans(store, ['end', UUID])).rejects.toThrow(`There is no orphan ${UUID}.`);
  await expect(orphans(store, ['end', '--all'])).rejects.toThrow(
    'A decision was already taken about every orphan.',
  );
});
