import { randomBytes } from 'node:crypto';

import { describe, expect, it } from 'vitest';

import type { SchedulerProfile } from '../../../domain/systems/system.js';
import { hostLookups } from '../../../store/host-lookups.js';
import type { Store } from '../../../store/store.js';
import { anApp, aPlanned, aSystem, atOnce, DATABASES, type Place, withStore } from './a-store.js';

describe.each(DATABASES)('registrations on $name', ({ make }) => {
  let place: Place;
  let store: Store;
  withStore(make, (opened) => ({ place, store } = opened));

  it('keeps systems and their host keys', async () => {
    const system = aSystem({ id: 'b', notes: { kilim: { containerEngine: 'podman' } } });
    await store.systems.add(system);
    await store.systems.add(aSystem({ id: 'a' }));
    await expect(store.systems.add(system)).rejects.toMatchObject({ code: 'CONFLICT' });

    expect(await store.systems.find('dev', 'b')).toEqual(system);
    expect(await store.systems.find('other', 'b')).toBeNull();
    const { host, port } = system;
    const pin = (key: string, at = { host, port }): Promise<string | null> =>
      store.systems.pinFirstHostKey('dev', 'b', at, key);
    expect(await pin('SHA256:old-host', { host, port: port + 1 })).toBeNull(); // the system has moved from there
    expect(await pin('SHA256:x')).toBe('SHA256:x');
    expect(await pin('SHA256:y')).toBe('SHA256:x');
    expect((await store.systems.find('dev', 'b'))?.hostKey).toBe('SHA256:x');
    await store.systems.unpinHostKey('dev', 'b');
    const keys = await atOnce(store, 5, (i) => pin(`SHA256:${i}`));
    expect(new Set(keys)).toEqual(new Set([(await store.systems.find('dev', 'b'))?.hostKey]));
    await store.systems.replace({ ...system, enabled: false });
    expect(await store.systems.find('dev', 'b')).toEqual({ ...system, enabled: false });
  });

  it('seals credentials, and finds the one for a login', async () => {
    const at = { host: 'vm.example.org', port: 22 };
    const secret = { loginUser: 'al', privateKey: 'very-secret-key', givenFor: at };
    await store.systems.add(aSystem({ id: 'dyn' }));
    await store.systems.add(aSystem({ id: 'stat', effectiveUserId: 'svc' }));
    await store.systems.setCredential('dev', 'dyn', 'dynamic', 'alice', {
      password: 'old',
      givenFor: { host: 'old', port: 1 },
    });
    await store.systems.setCredential('dev', 'dyn', 'dynamic', 'alice', secret);
    await store.systems.setCredential('dev', 'stat', 'static', 'svc', { password: 'of svc', givenFor: at });

    expect(await store.systems.getCredential('dev', 'dyn', 'dynamic', 'alice')).toEqual(secret);
    expect(await store.systems.getCredential('dev', 'dyn', 'static', 'alice')).toBeNull();
    const lookups = hostLookups(store);
    expect(
      await lookups.findCredential({
        tenant: 'dev',
        systemId: 'dyn',
        ...at,
        loginUser: 'al',
        asUser: 'alice',
      }),
    ).toEqual(secret);
    expect(await lookups.findCredential({ tenant: 'dev', systemId: 'stat', ...at, loginUser: 'svc', asUser: 'bob' })).toMatchObject({ password: 'of svc' }); // prettier-ignore
    expect(
      await lookups.findCredential({ tenant: 'other', systemId: 'stat', ...at, loginUser: 'svc' }),
    ).toBeNull();
    expect(
      await lookups.hostKeys.find({ tenant: 'dev', systemId: 'dyn', ...at, loginUser: 'al' }),
    ).toBeNull();

    const [row] = await place.sql("select * from credentials where system_id = 'dyn'");
    expect(row?.['sealed']).toMatch(/^v1\.[0-9a-f]{8}\.[\w-]+\.[\w-]+\.[\w-]+$/);
    expect(JSON.stringify(row)).not.toContain('very-secret-key');
    expect(await store.systems.removeCredential('dev', 'dyn', 'dynamic', 'alice')).toBe(true);
    expect(await store.systems.removeCredential('dev', 'dyn', 'dynamic', 'alice')).toBe(false);
  });

  it('keeps the versions of applications, the newest first', async () => {
    const older = anApp({ version: '9', created: '2026-01-01T00:00:00.000000Z' });
    const newer = anApp({ version: '10', created: '2026-02-01T00:00:00.000000Z' });
    await store.apps.add(newer);
    await store.apps.add(older);
    await store.apps.add(anApp({ id: 'another' }));
    await expect(store.apps.add(older)).rejects.toMatchObject({ code: 'CONFLICT' });

    expect(await store.apps.findLatest('dev', newer.id)).toEqual(newer);
    expect(await store.apps.find('dev', older.id, '9')).toEqual(older);
    expect([await store.apps.find('dev', older.id, '8'), await store.apps.findLatest('other', older.id)]).toEqual([null, null]); // prettier-ignore
    await store.apps.replace({ ...older, enabled: false });
    expect((await store.apps.find('dev', older.id, '9'))?.enabled).toBe(false);
  });

  it('keeps scheduler profiles', async () => {
    const profile: SchedulerProfile = {
      tenant: 'dev', name: 'tacc', uuid: 'u', description: null, owner: 'alice', hiddenOptions: ['MEM'], created: '', updated: '',
      moduleLoads: [{ moduleLoadCommand: 'module load', modulesToLoad: ['apptainer'] }],
    }; // prettier-ignore
    await store.profiles.add(profile);
    await expect(store.profiles.add(profile)).rejects.toMatchObject({ code: 'CONFLICT' });
    expect(await store.profiles.find('dev', 'tacc')).toEqual(profile);
    expect([await store.profiles.names('dev'), await store.profiles.names('other')]).toEqual([['tacc'], []]);
    const counted = (owner: string) => store.profiles.countOwned('dev', owner);
    expect([await counted('alice'), await counted('bob')]).toEqual([1, 0]);
    expect([await store.profiles.remove('dev', 'tacc'), await store.profiles.remove('dev', 'tacc')]).toEqual([
      true,
      false,
    ]);
  });

  it('keeps grants, and lists them by the beginning of the resource', async () => {
    const { grants } = store;
    await grants.grant('dev', 'files:vm:a/b', 'bob', ['READ', 'MODIFY'], 'alice');
    await grants.grant('dev', 'files:vm:a/b', 'bob', ['READ'], 'alice');
    await grants.grant('dev', 'files:vm:é', 'bob', ['READ'], 'alice');
    await grants.grant('dev', 'files:vm2:a', 'bob', ['READ'], 'alice');
    await grants.grant('dev', 'files:vm_:a', 'bob', ['READ'], 'alice');
    await grants.grant('dev', 'FILES:VM:a', 'bob', ['READ'], 'alice');
    await grants.grant('other', 'files:vm:a', 'bob', ['READ'], 'alice');
    await grants.grant('dev', 'files:vm:a', 'bob', [], 'alice');

    expect((await grants.levels('dev', 'files:vm:a/b', 'bob')).toSorted()).toEqual(['MODIFY', 'READ']);
    expect([...(await grants.held('dev', 'files:vm:', 'bob', 'READ'))]).toEqual([
      'files:vm:a/b',
      'files:vm:é',
    ]);
    expect((await grants.held('dev', 'files:vm:', 'carol', 'READ')).size).toBe(0);
    const found = await grants.listByPrefix('dev', 'files:vm:');
    expect(found.map(({ resource }) => resource)).toEqual(['files:vm:a/b', 'files:vm:a/b', 'files:vm:é']);
    expect(found[0]).toMatchObject({ user: 'bob', grantor: 'alice', created: expect.stringMatching(/Z$/) });
    await grants.revoke('dev', 'files:vm:a/b', 'bob', ['READ']);
    await grants.revoke('dev', 'files:vm:a/b', 'bob', []);
    expect(await grants.levels('dev', 'files:vm:a/b', 'bob')).toEqual(['MODIFY']);
    await grants.removeResource('dev', 'files:vm:');
    expect(await grants.listByPrefix('dev', 'files:vm:')).toEqual([]);
    expect(await grants.listByPrefix('dev', 'files:vm')).toHaveLength(2);
    expect(await grants.listByPrefix('other', 'files:')).toHaveLength(1);
  });

  it('keeps users and refuses revoked tokens for as long as they live', async () => {
    const alice = { tenant: 'dev', username: 'alice', passwordHash: 'h1', isAdmin: false };
    await store.users.put(alice);
    await store.users.put({ ...alice, passwordHash: 'h2', isAdmin: true });
    expect(await store.users.find('dev', 'alice')).toEqual({ ...alice, passwordHash: 'h2', isAdmin: true });
    expect([await store.users.isAdmin('dev', 'alice'), await store.users.isAdmin('other', 'alice')]).toEqual([true, false]); // prettier-ignore
    expect(await store.users.list('dev')).toHaveLength(1);

    const inHours = (hours: number) => new Date(Date.now() + hours * 3_600_000).toISOString();
    await store.users.revokeToken('long gone', inHours(-48));
    await store.users.revokeToken('endless', new Date(0).toISOString());
    await store.users.revokeToken('fresh', inHours(1));
    await store.users.revokeToken('fresh', inHours(1));
    const revoked = await Promise.all(
      ['fresh', 'endless', 'long gone', 'never'].map((jti) =>
        store.users.standing('dev', 'alice', { jti, clientId: null }),
      ),
    );
    expect(revoked.map(({ isRevoked }) => isRevoked)).toEqual([true, true, false, false]);
    const used = await atOnce(store, 10, () => store.users.revokeToken('used once', inHours(1)));
    expect(used.filter(Boolean)).toHaveLength(1);
  });

  it('agrees with itself on a setting that many set at once', async () => {
    const said = await Promise.all(
      Array.from({ length: 6 }, (_, i) => store.settings.init('id', `value-${i}`)),
    );
    expect(new Set(said).size).toBe(1);
    expect(await store.settings.get('id')).toBe(said[0]);
    expect(await store.settings.get('unset')).toBeNull();
    expect(JSON.stringify(await place.sql('select * from settings'))).not.toContain('value-');
  });

  it('changes its key: the old one opens until everything is sealed anew', async () => {
    const env = [{ key: 'A', value: '1', description: null, include: null, notes: null }];
    const { uuid } = await store.jobs.add(aPlanned({}, env), 'the request');
    const fresh = randomBytes(32);
    const both = await place.open({ keys: [fresh, place.key] });
    expect(await both.jobs.getRawRequest(uuid)).toBe('the request');

    expect(await both.rotateSeals()).toBeGreaterThanOrEqual(3);
    expect(await both.rotateSeals()).toBe(0);
    await both.close();

    const alone = await place.open({ keys: [fresh] });
    expect(await alone.jobs.getEnv(uuid)).toEqual(env);
    expect(await alone.settings.get('id')).toMatch(/^value-/);
    expect(await alone.systems.getCredential('dev', 'stat', 'static', 'svc')).toMatchObject({
      password: 'of svc',
    });
    await alone.close();
    await expect(store.jobs.getEnv(uuid)).rejects.toMatchObject({ code: 'INTERNAL', message: expect.stringContaining('not configured') }); // prettier-ignore
  });
});
