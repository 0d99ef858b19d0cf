import { describe, expect, it } from 'vitest';

import type { Store } from '../../../store/store.js';
import { atOnce, DATABASES, withStore } from './a-store.js';

describe.each(DATABASES)('lockouts on $name', ({ make }) => {
  let store: Store;
  withStore(make, (opened) => ({ store } = opened));

  const standing = (user: string, clientId: string | null = null) =>
    store.users.standing('dev', user, { jti: 'a token', clientId });
  const fresh = { isDisabled: false, generation: 0, revokedAt: null };

  it('needs no row of a user, and counts for one tenant', async () => {
    expect(await store.users.lockout('dev', 'ghost')).toEqual(fresh);
    await store.users.disable('dev', 'ghost');
    expect(await standing('ghost')).toEqual({ isDisabled: true, generation: 1, revokedAt: expect.stringMatching(/^20.*Z$/) as string,
      isAdmin: false, isRevoked: false, isClientDisabled: false }); // prettier-ignore
    expect(await store.users.lockout('other', 'ghost')).toEqual(fresh);

    await store.users.enable('dev', 'ghost');
    expect(await store.users.lockout('dev', 'ghost')).toMatchObject({ isDisabled: false, generation: 1 });
    await store.users.enable('dev', 'never seen');
    expect(await store.users.lockout('dev', 'never seen')).toEqual(fresh);
  });

  it('is not lifted by the end of all tokens or another password', async () => {
    await store.users.add({ tenant: 'dev', username: 'carol', passwordHash: 'h1', isAdmin: true });
    await store.users.disable('dev', 'carol');
    await store.users.endSessions('dev', 'carol');
    await store.users.put({ tenant: 'dev', username: 'carol', passwordHash: 'h2', isAdmin: true });
    expect(await standing('carol')).toMatchObject({ isDisabled: true, generation: 3, isAdmin: true });
  });

  it('counts every end of the tokens, also of many at once', async () => {
    await atOnce(store, 10, () => store.users.endSessions('dev', 'dave'));
    expect(await standing('dave')).toMatchObject({ isDisabled: false, generation: 10 });
  });

  it('ends the tokens of a user whose password changed, and of no other', async () => {
    const erin = { tenant: 'dev', username: 'erin', passwordHash: 'h1', isAdmin: false };
    await store.users.put(erin);
    await store.users.put({ ...erin, isAdmin: true });
    expect(await standing('erin')).toMatchObject({ generation: 0, isAdmin: true });
    await store.users.put({ ...erin, passwordHash: 'h2' });
    // tokens of other issuers do not depend on a password of this service
    expect(await standing('erin')).toMatchObject({ generation: 1, revokedAt: null, isAdmin: false });
  });

  it('adds a user only where the name is free', async () => {
    const frank = { tenant: 'dev', username: 'frank', isAdmin: false };
    const added = await atOnce(store, 5, (i) => store.users.add({ ...frank, passwordHash: `h${i}` }));
    expect(added.filter(Boolean)).toHaveLength(1);
    expect((await store.users.find('dev', 'frank'))?.passwordHash).toBe(`h${added.indexOf(true)}`);
  });

  it('tells of a client whose owner is disabled', async () => {
    await store.grants.grant('dev', 'client:notebook', 'grace', ['OWNER'], 'grace');
    expect((await standing('erin', 'notebook')).isClientDisabled).toBe(false);
    await store.users.disable('dev', 'grace');
    expect((await standing('erin', 'notebook')).isClientDisabled).toBe(true);
    expect((await standing('erin', 'another')).isClientDisabled).toBe(false);
  });

  it('applies changes of a setting that come at once one after the other, and gives each another stamp', async () => {
    expect(await store.settings.stamp('count')).toBeNull();
    const more = (value: string | null) => `${Number(value ?? 0) + 1}`;
    const said = await atOnce(store, 10, () => store.settings.change('count', more));
    expect(new Set(said).size).toBe(10);
    expect(await store.settings.get('count')).toBe('10');

    const stamp = await store.settings.stamp('count');
    expect(await store.settings.stamp('count')).toBe(stamp);
    await store.settings.change('count', (value) => value ?? '');
    expect(await store.settings.stamp('count')).not.toBe(stamp);
  });
});
