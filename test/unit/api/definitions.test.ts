import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';

import { KilimError } from '../../../domain/errors.js';
import type { Host } from '../../../hosts/host.js';
import { aTutorial, aWorld, type World } from './a-world.js';

let world: World;
beforeAll(async () => {
  world = await aWorld({ KILIM_SKIP_CREDENTIAL_CHECK: 'true' });
  await aTutorial(world);
});
afterAll(() => world.close());

const aSystem = (id: string, more: object = {}) => ({
  id, systemType: 'LINUX', host: 'localhost', defaultAuthnMethod: 'PKI_KEYS', effectiveUserId: 'alice', rootDir: world.data, canExec: true,
  jobWorkingDir: 'workdir', jobRuntimes: [{ runtimeType: 'ZIP' }], ...more,
}); // prettier-ignore
const anApp = (id: string, more: object = {}, jobAttributes: object = {}) => ({
  id, version: '1', runtime: 'ZIP', containerImage: '/tmp/app.zip', jobAttributes: { execSystemId: 'vm', ...jobAttributes }, ...more,
}); // prettier-ignore
const post = (path: string, body: unknown, as = 'alice') => world.ask('POST', path, { as, body });

describe('an application that no job could use is refused', () => {
  const set = (parameterSet: object) => ({ parameterSet });
  it.each<[string, object, object]>([
    ['envVariables', {}, set({ envVariables: [{ key: 'my-var', value: 'x' }] })],
    ['envKey', {}, { fileInputs: [{ name: 'a', envKey: 'a-b' }] }],
    [
      'A',
      {},
      { ...set({ envVariables: [{ key: 'A', value: 'x' }] }), fileInputs: [{ name: 'a', envKey: 'A' }] },
    ],
    ['sourceUrl', {}, { fileInputs: [{ name: 'a', inputMode: 'FIXED' }] }],
    ['sourceUrl', {}, { fileInputs: [{ name: 'a', sourceUrl: 'ftp://x/y' }] }],
    ['sourceUrls', {}, { fileInputArrays: [{ name: 'a', sourceUrls: ['x/y'] }] }],
    ['containerImage', { containerImage: 'app.zip' }, {}],
    ['containerImage', { containerImage: 'ftp://x/app.zip' }, {}],
    ['containerImage', { containerImage: 'https://[' }, {}],
    ['containerImage', { containerImage: 'tapis://vm' }, {}],
    ['containerImage', { runtime: 'SINGULARITY', containerImage: 'ftp://x/a.sif' }, {}],
    ['containerImage', { runtime: 'SINGULARITY', containerImage: '-x.sif' }, {}],
    ['containerImage', { runtime: 'DOCKER', containerImage: '-hfX' }, {}],
  ])('by its %s: %j %j', async (field, more, attributes) => {
    const { status, json } = await post('/v3/apps', anApp('hopeless', more, attributes));
    expect([status, json.message]).toEqual([400, expect.stringContaining(field)]);
  });

  it.each(['tapis://vm/app.zip', 'https://example.org/app.zip?x=1', '/apps/app.zip'])(
    'and one with the image %s is not',
    async (containerImage) => {
      const id = `app-${containerImage.length}`;
      expect((await post('/v3/apps', anApp(id, { containerImage }))).status).toBe(201);
    },
  );
});

describe('an application that published definitions have is taken', () => {
  const required = (value?: string) => ({
    parameterSet: { envVariables: [{ key: 'MODEL', inputMode: 'REQUIRED', ...(value !== undefined && { value }) }] },
  }); // prettier-ignore
  it.each([
    ['a default', required('large'), 'large'],
    ['an empty default', required(''), ''],
    ['no value', required(), '!tapis_not_set'],
  ])('whose REQUIRED variable has %s', async (what, attributes, kept) => {
    const id = `required-${what.replaceAll(' ', '-')}`;
    expect((await post('/v3/apps', anApp(id, {}, attributes))).status).toBe(201);
    const { result } = (await world.ask('GET', `/v3/apps/${id}/1`, { as: 'alice' })).json;
    expect(result.jobAttributes.parameterSet.envVariables).toMatchObject([{ key: 'MODEL', value: kept, inputMode: 'REQUIRED' }]); // prettier-ignore
  });

  it('whose REQUIRED variable a job may leave to its default, but not where there is none', async () => {
    const submit = async (id: string) => {
      expect((await post('/v3/apps', anApp(id, {}, required(id === 'with-default' ? 'large' : undefined)))).status).toBe(201); // prettier-ignore
      return post('/v3/jobs/submit?dryRun=true', { name: 'j', appId: id, appVersion: '1' });
    };
    const { status, json } = await submit('with-default');
    expect(status, json.message).toBe(200);
    expect(await submit('without-default')).toMatchObject({
      status: 400,
      json: { message: expect.stringContaining('MODEL') as string },
    });
  });

  it('that is FORK and names a queue, or says nothing of its kind; a BATCH application must name one that exists', async () => {
    const queued = (jobType?: string) =>
      anApp(`queued-${jobType ?? 'unsaid'}`, jobType ? { jobType } : {}, { execSystemLogicalQueue: 'skx' });
    expect((await post('/v3/apps', queued('FORK'))).status).toBe(201);
    expect((await post('/v3/apps', queued())).status).toBe(201);
    const path = '/v3/apps/queued-FORK/1';
    expect((await world.ask('PATCH', path, { as: 'alice', body: { jobAttributes: { execSystemLogicalQueue: 'icx' } } })).status).toBe(200); // prettier-ignore
    expect((await post('/v3/jobs/submit?dryRun=true', { name: 'j', appId: 'queued-FORK', appVersion: '1' })).status).toBe(200); // prettier-ignore
    const batch = { canRunBatch: true, batchScheduler: 'SLURM', batchLogicalQueues: [{ name: 'normal', hpcQueueName: 'batch' }] }; // prettier-ignore
    expect((await post('/v3/systems', aSystem('cluster', batch))).status).toBe(201);
    const refused = anApp('queued-batch', { jobType: 'BATCH' }, { execSystemId: 'cluster', execSystemLogicalQueue: 'skx' }); // prettier-ignore
    const { status, json } = await post('/v3/apps', refused);
    expect([status, json.message]).toEqual([400, expect.stringContaining('execSystemLogicalQueue: "skx"')]);
  });

  it('with an empty runtimeVersion, as a system with an empty default queue or bucket: they count as absent', async () => {
    expect((await post('/v3/apps', anApp('no-version', { runtimeVersion: '' }))).status).toBe(201);
    const app = (await world.ask('GET', '/v3/apps/no-version/1', { as: 'alice' })).json.result;
    expect(app.runtimeVersion).toBeNull();
    const empty = { batchDefaultLogicalQueue: '', bucketName: '' };
    expect((await post('/v3/systems', aSystem('no-queue', empty))).status).toBe(201);
    const system = (await world.ask('GET', '/v3/systems/no-queue', { as: 'alice' })).json.result;
    expect([system.batchDefaultLogicalQueue, system.bucketName]).toEqual([null, null]);
    const bucket = { ...aSystem('no-bucket', { bucketName: '' }), systemType: 'S3', canExec: false, defaultAuthnMethod: 'ACCESS_KEY' }; // prettier-ignore
    expect((await post('/v3/systems', bucket)).json.message).toContain('bucketName: is required for S3');
  });
});

describe('a system', () => {
  it.each(['False', 'false', ''])(
    'is shown to who asks for no credentials: returnCredentials=%s',
    async (no) => {
      const get = (value: string) =>
        world.ask('GET', `/v3/systems/vm?returnCredentials=${value}`, { as: 'alice' });
      expect((await get(no)).status).toBe(200);
      expect((await get('True')).status).toBe(403);
    },
  );

  it('keeps what its queues are described as, and may be posted again as it was read', async () => {
    const queue = { name: 'normal', hpcQueueName: 'batch', description: 'for most' };
    const batch = {
      canRunBatch: true,
      batchScheduler: 'SLURM',
      batchLogicalQueues: [queue],
      batchDefaultLogicalQueue: 'normal',
    };
    expect((await post('/v3/systems', aSystem('queued', batch))).status).toBe(201);
    const { result } = (await world.ask('GET', '/v3/systems/queued', { as: 'alice' })).json;
    expect(result.batchLogicalQueues[0].description).toBe('for most');
    expect((await post('/v3/systems', { ...result, id: 'again', authnCredential: null })).status).toBe(201);
  });

  it.each(['HOST_EVAL(', 'HOST_EVAL($A)/x\ny', 'HOST_EVAL($A', '/a\tb'])(
    'has no rootDir %j',
    async (rootDir) => {
      const { status, json } = await post('/v3/systems', aSystem('odd', { rootDir }));
      expect([status, json.message]).toEqual([400, expect.stringContaining('rootDir')]);
    },
  );

  it('with HOST_EVAL in its rootDir has the files of that place', async () => {
    expect((await post('/v3/systems', aSystem('home', { rootDir: 'HOST_EVAL($HOME)/data' }))).status).toBe(
      201,
    );
    const form = new FormData();
    form.set('file', new Blob(['content']), 'a');
    const sent = await world.ask('POST', '/v3/files/ops/home/of-home/a', { as: 'alice', body: form });
    expect(sent.status).toBe(200);
    expect(existsSync(join(world.data, 'of-home/a'))).toBe(true);
    const { result } = (await world.ask('GET', '/v3/files/ops/home/of-home', { as: 'alice' })).json;
    expect(result.map(({ path }: { path: string }) => path)).toEqual(['of-home/a']);
    expect(readdirSync(world.data).join()).not.toContain('HOST_EVAL');
  });

  it('with HOST_EVAL of a variable that the host lacks says so', async () => {
    expect((await post('/v3/systems', aSystem('none', { rootDir: 'HOST_EVAL($NOT_THERE)' }))).status).toBe(
      201,
    );
    const { status, json } = await world.ask('GET', '/v3/files/ops/none/', { as: 'alice' });
    expect([status, json.message]).toEqual([400, expect.stringContaining('NOT_THERE')]);
  });
});

describe('a dynamic system of a host', () => {
  const asked: unknown[] = [];
  beforeAll(async () => {
    const remote = { host: 'h.example', effectiveUserId: '${apiUserId}', rootDir: '/' };
    expect((await post('/v3/systems', aSystem('dyn', remote))).status).toBe(201);
    const level = { permission: 'READ' };
    expect((await post('/v3/systems/perms/dyn/user/train301', { permissions: ['READ'] })).status).toBe(201);
    expect((await post('/v3/files/permissions/dyn/', { ...level, username: 'train301' })).status).toBe(200);
  });

  it('is opened as the user, under his own login, whoever owns it', async () => {
    const key = { privateKey: 'k', publicKey: 'p' };
    const credential = '/v3/systems/credential/dyn/user/train301';
    expect((await post('/v3/systems/credential/dyn/user/alice', { ...key, loginUser: 'al' })).status).toBe(
      201,
    );
    expect((await post(credential, { ...key, loginUser: 't3' }, 'train301')).status).toBe(201);
    const open = vi.spyOn(world.deps.hosts, 'open').mockImplementation((address) => {
      asked.push([address.loginUser, address.asUser]);
      return Promise.resolve({
        name: 'h',
        run: () => Promise.resolve(''),
        stream: () => Promise.reject(new Error()),
      } as unknown as Host);
    });
    try {
      for (const as of ['train301', 'alice']) await world.ask('GET', '/v3/files/ops/dyn/', { as });
    } finally {
      open.mockRestore();
    }
    expect(asked).toEqual([['t3', 'train301'], ['al', 'alice']]); // prettier-ignore
  });

  it('keeps the name that a user logs in with when he brings another secret, and takes none that is empty', async () => {
    const path = '/v3/systems/credential/dyn/user/train301';
    expect((await post(path, { password: 'p' }, 'train301')).status).toBe(201);
    const stored = await world.deps.store.systems.getCredential('dev', 'dyn', 'dynamic', 'train301');
    expect(stored).toMatchObject({ loginUser: 't3', password: 'p' });
    expect((await post(path, {}, 'train301')).status).toBe(400);
  });
});

describe('a list of jobs', () => {
  it.each(['memory_mb(desc)', 'memoryMB', 'remoteJobId2', 'remote_job_id2(asc)'])(
    'is ordered by %s',
    async (order) => {
      expect((await world.ask('GET', `/v3/jobs/list?orderBy=${order}`, { as: 'alice' })).status).toBe(200);
    },
  );
});

it('half a character is refused by the name of its field', async () => {
  const body = '{"name":"j","appId":"img","appVersion":"0.0.1","description":"\\ud800"}';
  const headers = { 'Content-Type': 'application/json' };
  const { status, json } = await world.ask('POST', '/v3/jobs/submit', { as: 'alice', body, headers });
  expect([status, json.message]).toEqual([400, expect.stringContaining('description')]);
  const whole = body.replace('\\ud800', '\\ud83d\\ude00');
  expect((await world.ask('POST', '/v3/jobs/submit', { as: 'alice', body: whole, headers })).status).toBe(
    200,
  );
});

it('a reader hears nothing of a connection that broke once; who changes something does', async () => {
  const open = vi.spyOn(world.deps.hosts, 'open');
  const broken = () =>
    open.mockImplementationOnce(() =>
      Promise.reject(new KilimError('OUTCOME_UNKNOWN', 'The connection broke.')),
    );
  try {
    broken();
    expect((await world.ask('GET', '/v3/files/ops/vm/', { as: 'alice' })).status).toBe(200);
    broken();
    broken();
    expect((await world.ask('GET', '/v3/files/ops/vm/', { as: 'alice' })).status).toBe(503);
    broken();
    expect((await post('/v3/files/ops/vm', { path: 'new' })).status).toBe(503);
  } finally {
    open.mockRestore();
  }
});
