import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';

import type { SchedulerProfile } from '../../../domain/systems/system.js';
import { aTutorial, aWorld, type World } from './a-world.js';

let world: World;
beforeAll(async () => {
  world = await aWorld({ KILIM_LOCAL_USERS: 'alice,train301' });
  await aTutorial(world);
  await as('alice', 'POST', '/v3/systems/perms/vm/user/train301', { permissions: ['EXECUTE'] });
  await as('alice', 'POST', '/v3/apps/perms/img/user/train301', { permissions: ['EXECUTE'] });
});
afterAll(() => world.close());
afterEach(async () => {
  await as('alice', 'PATCH', '/v3/systems/vm', { batchSchedulerProfile: null });
  await world.deps.store.profiles.remove('dev', 'site');
});

const as = (user: string, method: string, path: string, body?: unknown) => world.ask(method, path, { as: user, ...(body === undefined ? {} : { body }) }); // prettier-ignore
const make = (user: string, more = {}) =>
  as(user, 'POST', '/v3/systems/schedulerProfile', { name: 'site', ...more });
const submit = (user: string, parameterSet = {}) =>
  as(user, 'POST', '/v3/jobs/submit', { name: 'j', appId: 'img', appVersion: '0.0.1', parameterSet });
const chosen = { schedulerOptions: [{ arg: '--tapis-profile site' }] };

it.each([
  ['admin', 200, 200],
  ['alice', 200, 200], // owns the system
  ['train301', 400, 200],
  ['stranger', 400, 400],
])(
  'a profile of %s may be used where its owner is an administrator or owns the system or the job',
  async (owner, forAlice, forTrain) => {
    expect((await make(owner)).status).toBe(201);
    const said = [await submit('alice', chosen), await submit('train301', chosen)];
    expect(said.map(({ status }) => status)).toEqual([forAlice, forTrain]);
    const refused = said.find(({ status }) => status === 400);
    if (refused)
      expect(refused.json.message).toMatch(
        new RegExp(`parameterSet.schedulerOptions: "site" is a scheduler profile of ${owner}; it must be of`),
      );
  },
);

it('a system gives only a profile of its owner or an administrator to the jobs of others', async () => {
  await make('train301');
  await as('alice', 'POST', '/v3/systems/perms/vm/user/train301', { permissions: ['MODIFY'] });
  for (const user of ['alice', 'train301']) {
    const { status, json } = await as(user, 'PATCH', '/v3/systems/vm', { batchSchedulerProfile: 'site' });
    expect([status, json.message]).toEqual([400, expect.stringContaining('batchSchedulerProfile: "site" is a profile of train301')]); // prettier-ignore
  }
});

it('a profile that another user made under the name of a deleted one is not used in its place', async () => {
  await make('alice');
  expect((await as('alice', 'PATCH', '/v3/systems/vm', { batchSchedulerProfile: 'site' })).status).toBe(200);
  expect((await submit('train301')).status).toBe(200);
  await as('alice', 'DELETE', '/v3/systems/schedulerProfile/site');
  await make('train301');
  for (const user of ['alice', 'train301']) {
    const { status, json } = await submit(user);
    expect([status, json.message]).toEqual([400, expect.stringContaining('vm.batchSchedulerProfile: "site" is a scheduler profile of train301')]); // prettier-ignore
  }
});

it('a stored profile that breaks the rules is named when a job would use it', async () => {
  const profile: SchedulerProfile = {
    tenant: 'dev', name: 'site', uuid: 'u', description: null, owner: 'alice', created: '', updated: '', hiddenOptions: [],
    moduleLoads: [{ moduleLoadCommand: 'module load; touch /tmp/x', modulesToLoad: ['--force'] }],
  }; // prettier-ignore
  await world.deps.store.profiles.add(profile);
  const { status, json } = await submit('alice', chosen);
  expect(status).toBe(400);
  expect(json.message).toContain('moduleLoadCommand must be a command of plain words');
  expect(json.message).toContain('modulesToLoad must be the name of a module');
});
