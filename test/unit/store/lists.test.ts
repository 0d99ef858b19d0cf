import { beforeAll, describe, expect, it } from 'vitest';

import { APP_ATTRIBUTES, SYSTEM_ATTRIBUTES } from '../../../domain/search/attributes.js';
import { parseOrderBy } from '../../../domain/search/order.js';
import { parseSqlText } from '../../../domain/search/sql-text.js';
import type { RegistrationQuery, Store } from '../../../store/store.js';
import { anApp, aPlanned, aSystem, DATABASES, needsPostgres, withStore } from './a-store.js';

needsPostgres();

const QUERY: RegistrationQuery = {
  tenant: 'dev', user: 'alice', scope: 'all', where: { is: 'and', all: [] }, orderBy: [], startAfter: null, limit: 100, skip: 0,
  showDeleted: false, computeTotal: false,
}; // prettier-ignore

/** The address of the systems of these tests. */
const givenFor = { host: 'vm.example.org', port: 22 };

describe.each(DATABASES)('lists of systems and applications on $name', ({ make }) => {
  let store: Store;
  withStore(make, (opened) => ({ store } = opened));
  beforeAll(async () => {
    const add = (id: string, more: object): Promise<unknown> =>
      store.systems.add(aSystem({ id, notes: { large: 'x'.repeat(5000) }, ...more }));
    await add('a', { port: 22, enabled: true, effectiveUserId: 'svc', tags: ['red', 'x y'] });
    await add('b', { port: 9, enabled: false, description: '100%_done' });
    await add('c', { port: 100, enabled: true, tags: ['blue'] });
    await add('d', { port: 22, enabled: false, deleted: false });
    await add('gone', { deleted: true });
    await add('bobs', { owner: 'bob' });
    await add('secret', { owner: 'bob' });
    await store.systems.add(aSystem({ id: 'a', tenant: 'other' }));
    await store.grants.grant('dev', 'system:bobs', 'alice', ['READ'], 'bob');
    await store.grants.grant('dev', 'system:secret', 'alice', ['EXECUTE'], 'bob');
    await store.grants.grant('dev', 'system:secret', 'carol', ['READ'], 'bob');
    await store.grants.grant('other', 'system:secret', 'alice', ['READ'], 'bob');
    await store.systems.setCredential('dev', 'a', 'static', 'svc', { password: 'p', givenFor });
    await store.systems.setCredential('dev', 'b', 'dynamic', 'alice', {
      loginUser: 'al',
      password: 'p',
      givenFor: { ...givenFor, port: 9 },
    });
    await store.systems.setCredential('dev', 'c', 'dynamic', 'bob', {
      password: 'p',
      givenFor: { ...givenFor, port: 100 },
    });
    await store.systems.setCredential('dev', 'd', 'dynamic', 'alice', {
      password: 'p',
      givenFor: { ...givenFor, port: 23 },
    }); // the system has moved since then
    for (const [id, version, created, more] of [
      ['x', '1', '2026-01-01', {}], ['x', '2', '2026-02-01', { maxJobs: 7 }], ['y', '1', '2026-01-01', { owner: 'bob' }],
    ] as const) await store.apps.add(anApp({ id, version, created, ...more })); // prettier-ignore
    await store.grants.grant('dev', 'app:y', 'alice', ['READ'], 'bob');
  });

  const systems = async (more: Partial<RegistrationQuery>, hasCredentials: boolean | null = null) =>
    (await store.systems.list({ ...QUERY, ...more }, hasCredentials)).ids;

  it.each([
    ['own', ['a', 'b', 'c', 'd']],
    ['granted', ['bobs']],
    ['all', ['a', 'b', 'bobs', 'c', 'd']],
    ['none', []],
  ] as const)('shows the systems that a user may see: %s', async (scope, expected) => {
    expect(await systems({ scope })).toEqual(expected);
  });

  it('shows deleted systems where they are asked for, and counts the rows of all pages', async () => {
    expect(await systems({ scope: 'own', showDeleted: true })).toContain('gone');
    const page = { ...QUERY, limit: 2, skip: 1, computeTotal: true };
    expect(await store.systems.list(page, null)).toEqual({ ids: ['b', 'bobs'], total: 5 });
    expect((await store.systems.list({ ...page, computeTotal: false }, null)).total).toBe(-1);
  });

  it('tells the systems with a credential of the user from those without', async () => {
    expect(await systems({ scope: 'own' }, true)).toEqual(['a', 'b']);
    expect(await systems({ scope: 'own' }, false)).toEqual(['c', 'd']);
    expect([...(await store.systems.logins('dev', 'alice'))]).toEqual([['b', 'al']]);
  });

  it.each<[string, string[]]>([
    ["id = 'a'", ['a']],
    ['port > 22', ['c']],
    ['port IN (9, 100)', ['b', 'c']],
    ['enabled = true', ['a', 'c']],
    ["tags IN ('red', 'blue')", ['a', 'c']],
    ["tags NOT IN ('red')", ['b', 'c', 'd']],
    ["description LIKE '100%done'", ['b']],
    ['description = NULL', ['a', 'c', 'd']],
    ["effectiveUserId = 'svc'", ['a']],
    ["effectiveUserId = 'al'", ['b']],
    ["effectiveUserId = 'alice'", ['c', 'd']],
    ['isDynamicEffectiveUser = true', ['b', 'c', 'd']],
    ['isPublic = true', []],
    ["owner = 'bob' OR id = 'gone' OR tenant = 'other'", []],
  ])('finds %s', async (text, expected) => {
    expect(await systems({ scope: 'own', where: parseSqlText([text], SYSTEM_ATTRIBUTES) })).toEqual(expected);
  });

  it.each<[string, Partial<RegistrationQuery>, string[]]>([
    ['id', { startAfter: 'b' }, ['c', 'd']],
    ['id', { startAfter: 'b', limit: 1 }, ['c']],
    ['id(desc)', { startAfter: 'c' }, ['b', 'a']],
    ['id', { startAfter: 'bb' }, ['c', 'd']],
    ['port,id(desc)', { startAfter: '9' }, ['d', 'a', 'c']],
    ['port', { startAfter: '22' }, ['c']],
    ['port(desc)', {}, ['c', 'a', 'd', 'b']],
    ['enabled', { startAfter: 'false' }, ['a', 'c']],
    ['enabled', { startAfter: 'true' }, []],
    ['description', {}, ['a', 'c', 'd', 'b']],
    ['description(desc)', {}, ['b', 'a', 'c', 'd']],
    ['id', { skip: 2 }, ['c', 'd']],
  ])('orders by %s from %o on', async (orderBy, more, expected) => {
    const order = parseOrderBy(orderBy, SYSTEM_ATTRIBUTES);
    expect(await systems({ scope: 'own', orderBy: order, ...more })).toEqual(expected);
  });

  it('refuses to begin behind a value that the first attribute of the order cannot have', async () => {
    const orderBy = parseOrderBy('enabled', SYSTEM_ATTRIBUTES);
    await expect(systems({ orderBy, startAfter: 'yes' })).rejects.toMatchObject({ code: 'INVALID_REQUEST', message: expect.stringContaining('startAfter: must be true or false') }); // prettier-ignore
  });

  it('finds the systems of many logins by a search of many conditions', async () => {
    const credential = { password: 'p', givenFor };
    for (let i = 0; i < 40; i++)
      await store.systems.setCredential('dev', `s${i}`, 'dynamic', 'many', {
        ...credential,
        loginUser: `l${i}`,
      });
    await store.systems.add(aSystem({ id: 's7', owner: 'many' }));
    const where = parseSqlText([Array.from({ length: 500 }, (_, i) => `effectiveUserId = 'l${i}'`).join(' OR ')], SYSTEM_ATTRIBUTES); // prettier-ignore
    expect(await systems({ user: 'many', scope: 'own', where })).toEqual(['s7']);
  });

  it('reads heads without large members, and whole documents, in the order of the ids', async () => {
    const heads = await store.systems.heads('dev', ['d', 'missing', 'a']);
    expect(heads.map(({ id }) => id)).toEqual(['d', 'a']);
    expect(heads[0]).toMatchObject({ port: 22, hostKey: null });
    expect(heads[0]).not.toHaveProperty('notes');
    expect((await store.systems.many('dev', ['b', 'a'])).map(({ id, notes }) => [id, Object.keys(notes)])).toEqual([['b', ['large']], ['a', ['large']]]); // prettier-ignore
    const [system] = await store.systems.many('dev', ['c']);
    if (system) await store.systems.replace({ ...system, port: 101, notes: {} });
    expect((await store.systems.heads('dev', ['c']))[0]).toMatchObject({ port: 101 });
    if (system) await store.systems.replace(system);
  });

  it.each(Object.entries(SYSTEM_ATTRIBUTES.kinds).filter(([, kind]) => kind !== 'document'))(
    'can ask for and sort by %s',
    async (name, kind) => {
      const value = { string: "'a'", number: '1', timestamp: "'2026'", boolean: 'true', array: "('a')", document: '' }[kind]; // prettier-ignore
      const where = parseSqlText([kind === 'array' ? `${name} IN ${value}` : `${name} = ${value}`], SYSTEM_ATTRIBUTES); // prettier-ignore
      expect((await systems({ where })).length).toBeLessThanOrEqual(5);
      const orderBy = kind === 'array' ? [] : [{ attribute: name, direction: 'desc' as const }];
      expect(await systems({ orderBy })).toHaveLength(5);
    },
  );

  it('lists the newest version of each application, or every version', async () => {
    const listed = async (more: Partial<RegistrationQuery>, all: boolean) =>
      (await store.apps.list({ ...QUERY, ...more }, all)).keys.map(({ id, version }) => `${id} ${version}`);
    expect(await listed({}, false)).toEqual(['x 2', 'y 1']);
    expect(await listed({ scope: 'own' }, true)).toEqual(['x 2', 'x 1']);
    expect(await listed({ where: parseSqlText(['maxJobs = 7'], APP_ATTRIBUTES) }, false)).toEqual(['x 2']);
    const keys = [{ id: 'x', version: '1' }, { id: 'y', version: '1' }]; // prettier-ignore
    expect((await store.apps.many('dev', keys)).map(({ id, version }) => [id, version])).toEqual([['x', '1'], ['y', '1']]); // prettier-ignore
    expect((await store.apps.heads('dev', keys)).map(({ created }) => created)).toEqual(['2026-01-01', '2026-01-01']); // prettier-ignore
    expect(await store.apps.versions('dev', 'x')).toEqual(['2', '1']);
  });

  it('counts the records of a user', async () => {
    expect(await store.systems.countOwned('dev', 'alice')).toBe(5);
    expect(await store.apps.countOwned('dev', 'alice')).toBe(2);
    expect(await store.grants.countGiven('dev', 'bob')).toBe(4);
    const { uuid } = await store.jobs.add(aPlanned({ owner: 'counted' }), '{}');
    await store.jobs.add(aPlanned({ owner: 'counted' }), '{}');
    await store.jobs.record({ uuid, rev: 1, status: 'CANCELLED' });
    expect(await store.jobs.countLive('dev', 'counted')).toBe(1);
  });
});

describe.each(DATABASES)('a purge on $name', ({ make }) => {
  it('removes what was deleted long ago, and nothing that is in use', async () => {
    const place = await make();
    const store = await place.open();
    const old = '2020-01-01T00:00:00.000000Z';
    const recent = new Date().toISOString();
    await store.systems.add(aSystem({ id: 'old', deleted: true, updated: old }));
    await store.systems.add(aSystem({ id: 'older', deleted: true, updated: old }));
    await store.systems.add(aSystem({ id: 'used', deleted: true, updated: old }));
    await store.systems.add(aSystem({ id: 'recent', deleted: true, updated: recent }));
    await store.systems.add(aSystem({ id: 'there', deleted: false, updated: old }));
    await store.systems.setCredential('dev', 'old', 'static', 'svc', { password: 'p', givenFor });
    await store.grants.grant('dev', 'files:old:a', 'bob', ['READ'], 'alice');
    await store.grants.grant('dev', 'files:older:a', 'bob', ['READ'], 'alice');
    await store.grants.grant('dev', 'files:there:a', 'bob', ['READ'], 'alice');
    await store.apps.add(anApp({ id: 'old', deleted: true, updated: old }));
    await store.apps.add(anApp({ id: 'kept', version: '1', deleted: true, updated: old }));
    await store.apps.add(anApp({ id: 'kept', version: '2', updated: old }));
    for (const id of ['old', 'kept']) await store.grants.grant('dev', `app:${id}`, 'bob', ['READ'], 'alice');
    const live = aPlanned();
    await store.jobs.add(aPlanned({ ...live.plan, exec: { ...live.plan.exec, systemId: 'used' } }), '{}');
    const [hidden, seen] = [await store.jobs.add(aPlanned(), '{}'), await store.jobs.add(aPlanned(), '{}')];
    for (const { uuid } of [hidden, seen]) await store.jobs.record({ uuid, rev: 1, status: 'CANCELLED' });
    await store.jobs.setVisible(hidden.uuid, false);
    await place.sql(`update jobs set ended = '${old}', last_updated = '${old}' where ended is not null`);

    expect(await store.purge(30)).toEqual({ systems: 2, applications: 2, jobs: 1 });
    expect(await store.purge(30)).toEqual({ systems: 0, applications: 0, jobs: 0 });

    const left = await place.sql('select id from systems order by id');
    expect(left.map(({ id }) => id)).toEqual(['recent', 'there', 'used']);
    expect(await place.sql('select * from credentials')).toEqual([]);
    expect((await store.grants.listByPrefix('dev', 'files:')).map(({ resource }) => resource)).toEqual(['files:there:a']); // prettier-ignore
    // the next owner of the id must not share an application with the users of the old one
    expect((await store.grants.listByPrefix('dev', 'app:')).map(({ resource }) => resource)).toEqual(['app:kept']); // prettier-ignore
    expect([await store.jobs.find(hidden.uuid), await store.jobs.events(hidden.uuid, 10, 0)]).toEqual([null, []]); // prettier-ignore
    expect(await store.jobs.find(seen.uuid)).not.toBeNull();
    await store.close();
    await place.remove();
  });
});
