import { expect, it } from 'vitest';

import { Faults } from '../../../domain/jobs/plan/faults.js';

const messageOf = (faults: Faults): string[] => {
  try {
    faults.throwIfAny();
  } catch (error) {
    return error instanceof Error ? error.message.split('\n') : [];
  }
  return [];
};

it('names each fault once, and says where there are more than it names', () => {
  const faults = new Faults();
  for (let i = 0; i < 100; i++) faults.add(`field${i}`, null, 'is wrong');
  faults.add('field0', null, 'is wrong');
  expect(messageOf(faults)).toHaveLength(100);
  faults.add('field100', null, 'is wrong');
  expect(messageOf(faults)).toHaveLength(101);
  expect(messageOf(faults).at(-1)).toBe('There are further faults; these are the first 100.');
});
