import { expect, it } from 'vitest';

import { listInTurn } from '../../../api/list-turns.js';

const caller = (user: string) => ({ tenant: 'dev', user, isAdmin: false });

it('answers the list of one user between the many searches of another, and refuses more than may wait', async () => {
  const done: string[] = [];
  const search = (user: string, n: number): Promise<unknown> =>
    listInTurn(caller(user), () => new Promise((resolve) => setTimeout(resolve, 5))).then(
      () => done.push(`${user} ${n}`),
      (error: Error) => error.message,
    );
  const searches = Array.from({ length: 110 }, (_, n) => search('alice', n));
  const list = search('bob', 0);
  const answers = await Promise.all(searches);
  await list;
  expect(done.indexOf('bob 0')).toBeLessThan(5);
  const refused = answers.filter((answer) => typeof answer === 'string');
  expect(refused).toHaveLength(8); // two are under way and a hundred wait
  expect(refused[0]).toContain('alice has 100 lists and searches that wait');
});
