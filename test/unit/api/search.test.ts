import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { aTutorial, aWorld, type World } from './a-world.js';

let world: World;
beforeAll(async () => {
  world = await aWorld();
  await aTutorial(world);
  for (const name of ['first', 'second', 'third'])
    await post('/v3/jobs/submit', {
      name, appId: 'img', appVersion: '0.0.1', tags: [name], description: `the ${name}`,
      parameterSet: { envVariables: [{ key: 'SECRET', value: `of ${name}` }] },
    }); // prettier-ignore
  const app = (await get('/v3/apps/img')).json.result;
  expect((await post('/v3/apps', { id: 'img', version: '0.0.2', runtime: 'ZIP', containerImage: app.containerImage })).status).toBe(201); // prettier-ignore
  expect((await post('/v3/apps', { id: 'other', version: '0.0.1', runtime: 'ZIP', containerImage: app.containerImage, tags: ['a', 'b'] })).status).toBe(201); // prettier-ignore
});
afterAll(() => world.close());

const get = (path: string, as = 'alice') => world.ask('GET', path, { as });
const post = (path: string, body: unknown, as = 'alice') => world.ask('POST', path, { as, body });

describe('jobs', () => {
  const names = async (query: string, as?: string) =>
    (await get(`/v3/jobs/search?${query}`, as)).json.result.map(({ name }: { name: string }) => name);

  it('are found by conditions in the query, all of which hold', async () => {
    expect(await names('name.eq=second')).toEqual(['second']);
    expect(await names('name.in=first,third&status.eq=PENDING&orderBy=name(desc)')).toEqual([
      'third',
      'first',
    ]);
    expect(await names('name.like=*ir*&tags.contains=first')).toEqual(['first']);
    expect(await names('created.gt=2099')).toEqual([]);
    expect(await names('name.eq=second', 'stranger')).toEqual([]);
    expect(await names('owner.eq=alice', 'stranger')).toEqual([]);
    expect(await names('name.like=*ir*&listType=SHARED_JOBS')).toEqual([]);
  });

  it('come as a list does, with its numbers', async () => {
    const { json } = await get('/v3/jobs/search?name.like=*ir*&limit=1&computeTotal=true&orderBy=created');
    expect(json.message).toMatch(/^JOBS_SEARCH_RESULT_LIST_RETRIEVED/);
    expect(json.metadata).toMatchObject({
      recordCount: 1,
      recordLimit: 1,
      totalCount: 2,
      orderBy: 'created',
    });
    expect(json.result[0]).toMatchObject({ name: 'first', appId: 'img', condition: null });
    expect(json.result[0]).not.toHaveProperty('parameterSet');
    const none = await get('/v3/jobs/search?name.eq=nobody');
    expect([none.status, none.json.result]).toEqual([200, []]);
    expect(none.json.message).toMatch(/^JOBS_SEARCH_NO_JOBS_FOUND/);
  });

  it('show what is selected', async () => {
    const one = async (select: string) =>
      (await get(`/v3/jobs/search?name.eq=first&select=${select}`)).json.result[0];
    expect(Object.keys(await one('name,memory_mb'))).toEqual(['name', 'memoryMB', 'uuid']);
    expect(Object.keys(await one('id'))).toEqual(['id']);
    expect(await one('summaryAttributes,description')).toMatchObject({
      appId: 'img',
      description: 'the first',
    });
    expect((await one('parameterSet')).parameterSet).toContain('of first');
    expect(await one('allAttributes')).toMatchObject({ description: 'the first', memoryMB: 100 });
    expect(Object.keys(await one(''))).toContain('archiveSystemId');
  });

  it('are found by an SQL-like text, however it is cut', async () => {
    const found = await post('/v3/jobs/search?orderBy=name', {
      search: ["name = 'first' OR", "(name LIKE 't%' AND status", "= 'PENDING')"],
    });
    expect(found.json.result.map(({ name }: { name: string }) => name)).toEqual(['first', 'third']);
    const foreign = await post('/v3/jobs/search', { search: ["name = 'x' OR owner = 'alice'"] }, 'stranger');
    expect(foreign.json.result).toEqual([]);
  });

  it.each([
    ['name.eq=', 'name.eq: "" has no value'],
    ['name=first', 'has no operator'],
    ['nothing.eq=1', 'jobs have no attribute "nothing"; known are appId,'],
    ['notes.eq=1', 'not searchable'],
    ['memoryMB.like=1', 'is not allowed'],
    ['created.gt=yesterday', 'is not an ISO-8601 timestamp'],
    ['name.like=' + 'x'.repeat(257), 'more than 256'],
    ['name.eq=a&name.eq=b', 'may be given once'],
    ['name.eq=a&select=nothing', 'select: jobs have no attribute "nothing"'],
    ['name.eq=a&orderBy=tags', 'has no order'],
    ['name.eq=a&listType=mine', 'listType'],
  ])('are not searched by %.40s, and it says why', async (query, says) => {
    const { status, json } = await get(`/v3/jobs/search?${query}`);
    expect([status, json.message]).toEqual([400, expect.stringContaining(says)]);
  });

  it.each<[unknown, string]>([
    [{}, 'search: is required'],
    [{ search: [] }, 'search: must have at least 1'],
    [{ search: "name = 'a'" }, 'search: "name = \'a\'" must be a list'],
    [{ search: ["name = 'a'"], limit: 1 }, 'unknown key limit'],
    [{ search: ['name = '] }, 'expected a value'],
    [{ search: ['mpiCmd > NULL'] }, 'with = and <> only'],
    [{ search: [Array.from({ length: 501 }, () => 'id=1').join(' OR ')] }, 'more than 500 conditions'],
    [{ search: ["name = 'a'; DROP TABLE jobs"] }, 'cannot be read'],
  ])('are not searched by the body %.60j, and it says why', async (body, says) => {
    const { status, json } = await post('/v3/jobs/search', body);
    expect([status, json.message]).toEqual([400, expect.stringContaining(says)]);
  });
});

describe('systems and applications', () => {
  const ids = async (path: string, as?: string) =>
    (await get(path, as)).json.result.map(({ id }: { id: string }) => id);

  it('are found by search=, conditions in the query, and a text', async () => {
    expect(await ids('/v3/systems?search=(id.like.v*)~(enabled.eq.true)&listType=ALL')).toEqual(['vm']);
    expect(await ids('/v3/systems?search=id.eq.none')).toEqual([]);
    expect(await ids('/v3/systems/search?can_exec.eq=true&select=id')).toEqual(['vm']);
    expect(await ids('/v3/systems/search?id.eq=vm', 'stranger')).toEqual([]);
    const { json } = await post('/v3/systems/search', {
      search: ["host = 'localhost' AND created > '2020'"],
    });
    expect(json.result).toMatchObject([{ id: 'vm', owner: 'alice' }]);
    expect(await ids('/v3/apps?search=tags.contains.b')).toEqual(['other']);
    expect(await ids('/v3/apps/search?runtime.eq=ZIP&orderBy=id(desc)')).toEqual(['other', 'img']);
    expect((await post('/v3/apps/search', { search: ["id LIKE 'o%'"] })).json.result).toHaveLength(1);
  });

  it('of an application only the latest version counts, unless versions are asked for', async () => {
    const versions = async (search: string) =>
      (await get(`/v3/apps?search=${search}&orderBy=created`)).json.result.map(
        ({ version }: { version: string }) => version,
      );
    expect(await versions('id.eq.img')).toEqual(['0.0.2']);
    expect(await versions('(id.eq.img)~(version.like.0.0.*)')).toEqual(['0.0.1', '0.0.2']);
  });

  it('counts what was found', async () => {
    const { json } = await get('/v3/apps?search=id.neq.none&computeTotal=true&limit=1');
    expect(json.metadata).toMatchObject({ recordCount: 1, totalCount: 2 });
  });

  it.each([
    ['/v3/systems?search=(id.eq.vm', 'must read (attribute.operator.value)'],
    ['/v3/systems?search=id.is.vm', 'is not an operator'],
    ['/v3/systems/search?notes.eq=1', 'not searchable'],
    ['/v3/apps/search?nothing.eq=1', 'apps have no attribute'],
    ['/v3/apps?orderBy=jobAttributes', 'has no order'],
  ])('%s is refused, and it says why', async (path, says) => {
    const { status, json } = await get(path);
    expect([status, json.message]).toEqual([400, expect.stringContaining(says)]);
  });
});
