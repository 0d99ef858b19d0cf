import { randomBytes } from 'node:crypto';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { tables } from '../../../store/migrations/0001-tables.js';
import { openStore } from '../../../store/open-store.js';
import { aPlanned, DATABASES, type Place } from './a-store.js';

describe.each(DATABASES)('opening on $name', ({ name, make }) => {
  let place: Place;
  beforeEach(async () => {
    place = await make();
  });
  afterEach(() => place.remove());

  const versions = () => place.sql('select version from schema_version');

  it('migrates once, however many programs start', async () => {
    const stores = [];
    for (let i = 0; i < 3; i++) stores.push(await place.open());
    if (name === 'PostgreSQL')
      stores.push(...(await Promise.all([place.open(), place.open(), place.open()])));
    expect(await versions()).toHaveLength(1);
    for (const store of stores) {
      await store.ping();
      await store.close();
    }
    await (await place.open({ mayMigrate: false })).close();
  });

  it('refuses an empty or older store where it may not migrate', async () => {
    await expect(place.open({ mayMigrate: false })).rejects.toMatchObject({ code: 'CANNOT_START', message: expect.stringContaining('kilim migrate') }); // prettier-ignore
    await (await place.open()).close();
    await place.sql('update schema_version set version = 1');
    await expect(place.open({ mayMigrate: false })).rejects.toMatchObject({ code: 'CANNOT_START', message: expect.stringContaining('schema 1') }); // prettier-ignore
  });

  it('refuses a newer store, also where it may migrate', async () => {
    await (await place.open()).close();
    await place.sql('update schema_version set version = 99');
    for (const mayMigrate of [true, false])
      await expect(place.open({ mayMigrate })).rejects.toMatchObject({ code: 'CANNOT_START', message: expect.stringContaining('newer Kilim') }); // prettier-ignore
    expect(await versions()).toEqual([{ version: 99 }]);
  });

  it('brings a store of the first schema up to date, with what is in it', async () => {
    const isPostgres = name === 'PostgreSQL';
    const serial = isPostgres ? 'bigserial primary key' : 'integer primary key autoincrement';
    for (const text of tables({ serial, isPostgres })) await place.sql(text);
    await place.sql('create table schema_version (version integer not null)');
    await place.sql('insert into schema_version values (1)');
    await place.sql("insert into grants values ('dev', 'system:vm', 'bob', 'READ', 'alice', '2026')");
    await place.sql("insert into users values ('dev', 'old', 'a hash', 1)");

    const store = await place.open();
    expect(await store.grants.listByPrefix('dev', 'system:')).toHaveLength(1);
    await store.jobs.add(aPlanned(), '{}');
    expect(await store.users.standing('dev', 'old', { jti: 'x', clientId: null })).toMatchObject({ isAdmin: true, isDisabled: false, generation: 0 }); // prettier-ignore
    await store.close();
    await (await place.open({ mayMigrate: false })).close(); // it has the version of this program
  });

  it('leaves nothing of a migration that failed', async () => {
    await place.sql('create table revoked_tokens (other integer)');
    await expect(place.open()).rejects.toThrow(/revoked_tokens/);
    await expect(place.sql('select * from jobs')).rejects.toThrow();
    await place.sql('drop table revoked_tokens');
    await (await place.open()).close();
  });

  it('refuses keys that do not open what it holds, names where they come from, and accepts the right keys again', async () => {
    const store = await place.open();
    await store.settings.init('installation', 'abc');
    await store.close();
    const wrong = openStore({ url: place.url, keys: [randomBytes(32)], keysFrom: '/h/keys/master.key', mayMigrate: true }); // prettier-ignore
    await expect(wrong).rejects.toMatchObject({
      code: 'CANNOT_START',
      message: expect.stringMatching(/sealed with the key [0-9a-f]{8}, which is not in \/h\/keys\/master\.key .*Put the earlier key back/), // prettier-ignore
    });
    const both = await place.open({ keys: [randomBytes(32), place.key] });
    expect(await both.settings.get('installation')).toBe('abc');
    await both.close();
  });

  it('refuses keys that open its settings but not the environment of a live job', async () => {
    const second = randomBytes(32);
    const store = await place.open();
    await store.settings.init('installation', 'abc');
    await store.jobs.add(aPlanned(), '{}');
    await store.close();
    const rotating = await place.open({ keys: [second, place.key] });
    await rotating.settings.init('other', 'x');
    await rotating.close();
    await place.sql("delete from settings where name = 'installation'");
    await expect(place.open({ keys: [second] })).rejects.toMatchObject({ code: 'CANNOT_START' });
    await place.sql("update jobs set ended = '2026'"); // the sealed values of ended jobs are not needed any more
    await (await place.open({ keys: [second] })).close();
  });

  it('says that it is away once it is closed', async () => {
    const store = await place.open();
    await store.close();
    await expect(store.ping()).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
    await expect(store.jobs.find('x')).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
  });
});

describe('a store that is away', () => {
  const keys = [randomBytes(32)];
  const refused = { code: 'STORE_UNAVAILABLE' };

  it('is told for a PostgreSQL that does not listen, is unknown, or hangs up', async () => {
    await expect(openStore({ url: 'postgres://x@127.0.0.1:1/x', keys, mayMigrate: true })).rejects.toMatchObject(refused); // prettier-ignore
    await expect(openStore({ url: 'postgres://x@nowhere.invalid/x', keys, mayMigrate: true })).rejects.toMatchObject(refused); // prettier-ignore
    const server = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const { port } = server.address() as AddressInfo;
    await expect(openStore({ url: `postgres://x@127.0.0.1:${port}/x`, keys, mayMigrate: true })).rejects.toMatchObject(refused); // prettier-ignore
    server.close();
  });
});

describe.each(DATABASES.filter(({ name }) => name === 'PostgreSQL'))(
  'a connection that breaks',
  ({ make }) => {
    it('is told once, and another one takes its place', async () => {
      const place = await make();
      const store = await place.open();
      const { uuid } = await store.jobs.add(aPlanned(), '{}');
      const mine = new URL(place.url).searchParams.get('application_name') ?? '';
      const ended = await place.sql(
        `select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and application_name = '${mine}'`,
      );
      expect(ended.length).toBeGreaterThan(0);

      await expect.poll(() => store.jobs.get(uuid).then(({ status }) => status, (error: { code: string }) => error.code)).toBe('PENDING'); // prettier-ignore
      await store.close();
      await place.remove();
    });
  },
);
