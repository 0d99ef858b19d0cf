import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { aTutorial, aWorld, type World } from './a-world.js';

let world: World;
beforeAll(async () => {
  world = await aWorld({ KILIM_SKIP_CREDENTIAL_CHECK: 'true' });
  await aTutorial(world);
});
afterAll(() => world.close());

const EMAIL = { deliveryMethod: 'EMAIL', deliveryAddress: 'alice@example.org' };
const WEBHOOK = { deliveryMethod: 'WEBHOOK', deliveryAddress: 'https://example.org/hook?job=1' };
const ofJob = (more: object = {}) => ({
  eventCategoryFilter: 'JOB_NEW_STATUS',
  deliveryTargets: [EMAIL],
  ...more,
});
const ofApp = (more: object = {}) => ({ jobEventCategoryFilter: 'ALL', deliveryTargets: [WEBHOOK], ...more });
const anApp = (id: string, subscriptions: object[]) => ({
  id, version: '1', runtime: 'ZIP', containerImage: '/a.zip', jobAttributes: { execSystemId: 'vm', subscriptions },
}); // prettier-ignore
const post = (path: string, body: unknown) => world.ask('POST', path, { as: 'alice', body });

describe('a subscription that could never be delivered is refused by the name of its field', () => {
  const target = (one: object) => ofJob({ deliveryTargets: [{ ...EMAIL, ...one }] });
  it.each<[string, object]>([
    ['eventCategoryFilter', { deliveryTargets: [EMAIL] }],
    ['eventCategoryFilter', ofJob({ eventCategoryFilter: 'JOB_STATUS' })],
    ['jobEventCategoryFilter', ofJob({ jobEventCategoryFilter: 'ALL' })],
    ['deliveryTargets', { eventCategoryFilter: 'ALL' }],
    ['deliveryTargets', ofJob({ deliveryTargets: [] })],
    ['deliveryTargets', ofJob({ deliveryTargets: Array(21).fill(EMAIL) })],
    ['deliveryMethod', target({ deliveryMethod: 'ACTOR' })],
    ['deliveryAddress', target({ deliveryAddress: '' })],
    ['deliveryAddress', target({ deliveryAddress: 'alice' })],
    ['deliveryAddress', target({ deliveryAddress: 'Alice <alice@example.org>' })],
    ['deliveryAddress', target({ deliveryAddress: 'a@example.org,b@example.org' })],
    ['deliveryAddress', target({ deliveryAddress: 'a@example.org\nBcc: b@example.org' })],
    ['deliveryAddress', target({ deliveryMethod: 'WEBHOOK', deliveryAddress: 'alice@example.org' })],
    ['deliveryAddress', target({ deliveryMethod: 'WEBHOOK', deliveryAddress: 'ftp://example.org/x' })],
    ['deliveryAddress', target({ deliveryMethod: 'WEBHOOK', deliveryAddress: 'example.org/x' })],
    ['ttlMinutes', ofJob({ ttlMinutes: -1 })],
    ['ttlMinutes', ofJob({ ttlminutes: -1 })],
    ['ttlminutes', ofJob({ ttlMinutes: 1, ttlminutes: 1 })],
    ['enabled', ofJob({ enabled: 'yes' })],
    ['ttl', ofJob({ ttl: 5 })],
  ])('%s: %j', async (field, subscription) => {
    const body = { name: 'j', appId: 'img-classify', appVersion: '0.0.1', subscriptions: [subscription] };
    const { status, json } = await post('/v3/jobs/submit?dryRun=true', body);
    expect([status, json.message]).toEqual([400, expect.stringContaining(field)]);
    expect(json.message).toContain('subscriptions');
  });

  it.each<[string, object]>([
    ['eventCategoryFilter', ofApp({ eventCategoryFilter: 'ALL' })],
    ['jobEventCategoryFilter', ofApp({ jobEventCategoryFilter: 'JOB_USER_EVENT' })],
    ['deliveryAddress', ofApp({ deliveryTargets: [{ ...EMAIL, deliveryAddress: 'x' }] })],
  ])('also in an application: %s', async (field, subscription) => {
    const { status, json } = await post('/v3/apps', anApp('unheard', [subscription]));
    expect([status, json.message]).toEqual([400, expect.stringContaining(field)]);
  });
});

it('is kept on the record with what it means, and the answer and the history say that nothing is delivered', async () => {
  expect((await post('/v3/apps', anApp('heard', [ofApp({ ttlMinutes: 0 })]))).status).toBe(201);
  const asked = [ofJob({ ttlminutes: 99_999_999, description: 'mail me' }), ofJob({ enabled: false })];
  const { status, json } = await post('/v3/jobs/submit', { name: 'j', appId: 'heard', appVersion: '1', subscriptions: asked }); // prettier-ignore
  expect(status, json.message).toBe(200);
  const says = 'Its 3 subscriptions are kept on the record, but this version of Kilim delivers no events.';
  expect(json.message).toContain(says);
  expect(JSON.parse(json.result.subscriptions as string)).toEqual([
    { description: 'mail me', enabled: true, ttlMinutes: 40_320, deliveryTargets: [EMAIL], eventCategoryFilter: 'JOB_NEW_STATUS' },
    { description: null, enabled: false, ttlMinutes: 10_080, deliveryTargets: [EMAIL], eventCategoryFilter: 'JOB_NEW_STATUS' },
    { description: null, enabled: true, ttlMinutes: 10_080, deliveryTargets: [WEBHOOK], eventCategoryFilter: 'ALL' },
  ]); // prettier-ignore
  const history = await world.ask('GET', `/v3/jobs/${json.result.uuid as string}/history`, { as: 'alice' });
  const events = history.json.result as { event: string; eventDetail: string; description: string }[];
  const [added] = events.filter(({ event }) => event === 'JOB_SUBSCRIPTION');
  expect(added?.eventDetail).toBe('ADDED');
  expect(added?.description).toContain(says);
});

it('is not mentioned where a job has none', async () => {
  expect((await post('/v3/apps', anApp('quiet', []))).status).toBe(201);
  const { json } = await post('/v3/jobs/submit', { name: 'j', appId: 'quiet', appVersion: '1' });
  expect(json.message).not.toContain('subscription');
  const history = await world.ask('GET', `/v3/jobs/${json.result.uuid as string}/history`, { as: 'alice' });
  expect(history.text).not.toContain('JOB_SUBSCRIPTION');
});
