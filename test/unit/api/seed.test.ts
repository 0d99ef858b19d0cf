import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, beforeAll, expect, it } from 'vitest';

import { applySeed } from '../../../api/seed.js';
import { aWorld, type World } from './a-world.js';

let world: World;
beforeAll(async () => {
  world = await aWorld();
});
afterAll(() => world.close());

const apply = (text: string): Promise<void> => {
  const file = join(world.data, 'seed.json');
  writeFileSync(file, text);
  return applySeed(file, world.deps);
};

it('changes nothing when it is applied again, also no credential that was replaced', async () => {
  const system = {
    owner: 'alice', systemType: 'LINUX', host: 'host.example.org', defaultAuthnMethod: 'PASSWORD', effectiveUserId: 'lu',
    rootDir: '/', canExec: false,
  }; // prettier-ignore
  const seed = JSON.stringify({
    tenant: 'dev',
    systems: [{ ...system, id: 'one' }],
    credentials: [{ systemId: 'one', userName: 'lu', password: 'first' }],
  });
  await apply(seed);
  const { systems } = world.deps.store;
  const password = async () => (await systems.getCredential('dev', 'one', 'static', 'lu'))?.password;
  expect(await password()).toBe('first');
  const path = '/v3/systems/credential/one/user/lu?skipCredentialCheck=true';
  await world.ask('POST', path, { as: 'alice', body: { password: 'second' } });
  await apply(seed);
  expect(await password()).toBe('second');
});

it('gives no credential to a moved system until the seed names its new address', async () => {
  const definition = {
    id: 'moved', owner: 'alice', systemType: 'LINUX', host: 'host.example.org', port: 22, defaultAuthnMethod: 'PASSWORD', effectiveUserId: 'lu',
    rootDir: '/', canExec: false,
  }; // prettier-ignore
  const credentials = [{ systemId: 'moved', userName: 'lu', password: 'of the seed' }];
  const seed = (systems: object[]): Promise<void> => apply(JSON.stringify({ tenant: 'dev', systems, credentials })); // prettier-ignore
  const { systems } = world.deps.store;
  const givenFor = async () => (await systems.getCredential('dev', 'moved', 'static', 'lu'))?.givenFor.host;
  await seed([definition]);
  await world.ask('PATCH', '/v3/systems/moved', { as: 'alice', body: { host: 'moved.example.org' } });
  await seed([definition]);
  expect(await givenFor()).toBe('host.example.org');
  await seed([]);
  expect(await givenFor()).toBe('host.example.org');
  await systems.removeCredential('dev', 'moved', 'static', 'lu');
  await seed([definition]);
  expect(await givenFor()).toBeUndefined();
  await seed([{ ...definition, host: 'moved.example.org' }]);
  expect(await givenFor()).toBe('moved.example.org');
});

it.each([
  ['{"tenant": ', 'is no JSON'],
  ['{"tenant": "dev", "colour": "red"}', 'colour'],
  ['{"password": "hush" oops}', 'is no JSON'],
])('says which file is wrong, and how: %s', async (text, why) => {
  await expect(apply(text)).rejects.toThrow(/^\S+seed\.json: /);
  await expect(apply(text)).rejects.toThrow(why);
  await expect(apply(text)).rejects.not.toThrow('oops');
});
