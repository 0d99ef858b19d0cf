import { expect, it } from 'vitest';

import { runErrand } from '../../../hosts/asked-for.js';
import { createGate } from '../../../hosts/gate.js';

const settled = (): Promise<void> => new Promise(setImmediate);

/** A gate for one at a time that is taken, and what passes it in its order. */
async function aCrowd(users: string[]) {
  const gate = createGate(1);
  const passed: string[] = [];
  const first = await gate.enter();
  const each = users.map((user) =>
    runErrand({ user }, () =>
      gate.enter().then((leave) => {
        passed.push(user);
        leave();
      }),
    ),
  );
  return { gate, passed, each, first };
}

it('lets the commands of each user pass in turn', async () => {
  const { gate, passed, each, first } = await aCrowd(['alice', 'alice', 'alice', 'alice', 'bob', 'bob']);
  expect(gate.waiting()).toBe(6);
  first();
  await Promise.all(each);
  expect(passed).toEqual(['alice', 'bob', 'alice', 'bob', 'alice', 'alice']);
  expect(gate.inside()).toBe(0);
});

it('refuses all that wait, each with an error of its own, and serves what comes later', async () => {
  const { gate, each, first } = await aCrowd(['alice', 'alice', 'bob']);
  gate.refuse(() => new Error('the host does not answer'));
  const errors = (await Promise.allSettled(each)).map((end) =>
    end.status === 'rejected' ? (end.reason as unknown) : null,
  );
  expect(errors.map(String)).toEqual(Array.from({ length: 3 }, () => 'Error: the host does not answer'));
  expect(new Set(errors).size).toBe(3);
  expect([gate.waiting(), gate.inside()]).toEqual([0, 1]);
  first();
  (await gate.enter())();
});

it('forgets what is aborted while it waits', async () => {
  const { gate, passed, each, first } = await aCrowd(['alice']);
  const abort = new AbortController();
  const aborted = runErrand({ user: 'bob' }, () => gate.enter(abort.signal));
  abort.abort();
  await expect(aborted).rejects.toThrow('aborted while waiting');
  first();
  await Promise.all(each);
  await settled();
  expect(passed).toEqual(['alice']);
});
