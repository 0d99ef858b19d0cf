import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { routes } from '../../../api/routes/index.js';
import { clientThread, type Client } from '../../support/client-thread.js';
import { longestStall } from '../../support/loop-monitor.js';
import { aTutorial, aWorld, type World } from './a-world.js';

const LIMIT_MS = 100;
const TRIES = 3;
const LENGTH = 1_040_000; // of the 1 MiB that a body may have

let world: World;
let client: Client;
let uuid = '';
const job = { name: 'j', appId: 'img', appVersion: '0.0.1' };

beforeAll(async () => {
  world = await aWorld();
  await aTutorial(world);
  client = clientThread();
  uuid = (await world.ask('POST', '/v3/jobs/submit', { as: 'alice', body: job })).json.result.uuid as string;
});
afterAll(async () => {
  await client.close();
  await world.close();
});

interface Case {
  what: string;
  method: string;
  path: string;
  body?: string;
  type?: string;
  isStranger?: true;
}

/** Repeats a request that took too long, because compiling code and collecting garbage also take time now and then. */
async function stallOf({ method, path, body, type = 'application/json', isStranger }: Case): Promise<{ stall: number; status: number }> {
  const headers = { 'Content-Type': type, ...(isStranger ? {} : { 'X-Tapis-Token': await world.token('alice') }) };
  const bytes = body === undefined ? {} : { body: new Uint8Array(Buffer.from(body)) };
  let [stall, status] = [Infinity, 0];
  for (let i = 0; i < TRIES && stall > LIMIT_MS; i++) {
    const took = await longestStall(async () => {
      status = await client.ask({ method, url: world.url + path, headers, ...bytes });
    });
    stall = Math.min(stall, took);
  }
  return { stall, status };
} // prettier-ignore

async function expectQuick(cases: Case[]): Promise<void> {
  const slow: string[] = [];
  for (const one of cases) {
    const { stall, status } = await stallOf(one);
    const says = `${one.method} ${one.path.slice(0, 80)} ${one.what}: ${status}, ${Math.round(stall)} ms`;
    if (stall > LIMIT_MS || status >= 500) slow.push(says);
  }
  expect(slow).toEqual([]);
}

const run = (piece: string, length = LENGTH): string => piece.repeat(Math.floor(length / piece.length));
const listOf = (member: string, length = LENGTH): string => `[${run(`${member},`, length)}${member}]`;

/** Bodies that are sent to every route, whatever its schema is. */
const BODIES: Record<string, string> = {
  quotes: `{"a":"${run('\"')}`,
  objects: listOf('{"a":{}}'),
  'many keys': `{${Array.from({ length: 80_000 }, (_, i) => `"k${i}":0`).join(',')}}`,
};
/** Bodies that are sent to one route only, because all routes share the code that reads them. */
const READ_ALIKE: Record<string, string> = {
  'open brackets': run('['),
  blanks: run(' '),
  zeros: listOf('0'),
  keys: `{${run('"":0,')}"":0}`,
  'a long key': `{"${run('a')}":0}`,
  digits: run('1'),
  escapes: `{"a":"${run('\u0041')}"}`,
  nested: listOf(`${'['.repeat(98)}${']'.repeat(98)}`),
};

const pathOf = (path: string | RegExp): string => {
  const written = path instanceof RegExp
    ? path.source.replaceAll('\\/', '/').replaceAll('^', '').replace('([/]+)', path.source.includes('files') ? 'vm' : uuid).replace('(?:/(.*))?$', '/x').replace('(?:healthcheck|readycheck|ready)/?$', 'ready')
    : path;
  const values: Record<string, string> = {
    ':id': path.toString().includes('apps') ? 'img' : 'vm', ':version': '0.0.1', ':user': 'alice', ':uuid': uuid, ':perm': 'READ', ':name': 'p', ':tenant': 'dev', ':site': 'kilim',
  };
  return written.replace(/:[a-z]+/g, (name) => values[name] ?? name);
}; // prettier-ignore

describe('no body of 1 MB takes the event loop for longer than 100 ms', () => {
  const text = run('/a', 900_000);
  const args = (many: number, arg: string) => Array.from({ length: many }, () => ({ arg }));
  const set = (parameterSet: object): object => ({ ...job, parameterSet });
  const many = <T>(count: number, make: (i: number) => T): T[] =>
    Array.from({ length: count }, (_, i) => make(i));
  /** Requests that are as large as possible, and requests that are wrong in every place. */
  const JOBS: Record<string, object> = {
    arguments: set({ appArgs: args(1_000, run('${JobUUID}', 900)) }),
    'arguments that grow': set({ appArgs: args(1_000, run('${ExecSystemExecDir}', 900)) }),
    'an open macro': set({ appArgs: args(10, run('${', 60_000)) }),
    'arguments of one name': set({ appArgs: many(1_000, () => ({ name: 'same', arg: run('a', 900) })) }),
    'options of a container': set({ containerArgs: args(1_000, run('--bind=', 900)) }),
    'options of a scheduler': set({ schedulerOptions: args(1_000, run('--comment ', 900)) }),
    variables: set({ envVariables: many(1_000, (i) => ({ key: `K${i}`, value: run('$', 900) })) }),
    'variables that are wrong': set({ envVariables: many(1_000, (i) => ({ key: `${i}${run('&', 200)}`, value: run('a', 700) })) }),
    inputs: { ...job, fileInputs: many(1_000, (i) => ({ sourceUrl: `tapis://vm/${i}${run('/a', 900)}`, targetPath: `x${i}` })) },
    'inputs of one target': { ...job, fileInputs: many(1_000, () => ({ sourceUrl: `tapis://vm/${run('/a', 900)}`, targetPath: 'x' })) },
    'inputs of hosts': { ...job, fileInputs: many(1_000, (i) => ({ sourceUrl: `tapislocal://exec.tapis/HOST_EVAL($V${i})`, targetPath: 'x' })) },
    'arrays of inputs': { ...job, fileInputArrays: many(100, () => ({ sourceUrls: many(1_000, () => '?') })) },
    'arrays of URLs': { ...job, fileInputArrays: many(30, (i) => ({ sourceUrls: many(1_000, (j) => `tapis://vm/a/${i}.${j}` ) })) },
    filters: set({ archiveFilter: { includes: many(100, (i) => `${i}${run('*a', 300)}`), excludes: many(100, () => run('[a-z]', 300)) } }),
    'heavy filters': set({ archiveFilter: { includes: many(100, () => 'REGEX:((a{0,9}){0,9}){0,9}'), excludes: many(100, () => 'REGEX:(a{1,30}){1,30}') } }),
    'filters of classes': set({ archiveFilter: { includes: many(100, () => `REGEX:${run('(?i)[\\pL\\pN]', 1_000)}`) } }),
    'one heavy filter': set({ archiveFilter: { includes: ['REGEX:(?:a?){1000}(?:b?){1000}(?:[cd]?){1000}(?:\\pL?){900}'] } }),
    tags: { ...job, tags: many(128, (i) => `${i}${run('a', 120)}`) },
    notes: { ...job, notes: Object.fromEntries(many(20_000, (i) => [`k${i}`, [i]])) },
    constraints: { ...job, execSystemConstraints: many(100, () => run('a', 4_000)) },
    'logs with macros': set({ logConfig: { stdoutFilename: run('${JobUUID}', 4_000), stderrFilename: run('/', 4_000) } }),
  }; // prettier-ignore

  it.each(['/v3/jobs/submit', '/v3/jobs/submit?dryRun=true'])(
    'job requests at %s',
    async (path) => {
      await expectQuick(
        Object.entries(JOBS).map(([what, body]) => ({
          what,
          method: 'POST',
          path,
          body: JSON.stringify(body),
        })),
      );
    },
    600_000,
  );

  /** The paths of all members of a body, including those of the first element of each list. */
  const placesIn = (value: unknown): string[][] =>
    typeof value !== 'object' || value === null
      ? [[]]
      : [
          [],
          ...Object.entries(value).flatMap(([name, member]) =>
            placesIn(member).map((place) => [name, ...place]),
          ),
        ];
  const put = (value: unknown, [name, ...rest]: string[], raw: string): string =>
    name === undefined
      ? raw
      : Array.isArray(value)
        ? `[${put(value[0], rest, raw)}]`
        : `{${Object.entries(value as object)
            .map(([key, member]) => `${JSON.stringify(key)}:${key === name ? put(member, rest, raw) : JSON.stringify(member)}`)
            .join(',')}}`; // prettier-ignore

  const argument = { name: 'a', description: 'a', arg: 'a', notes: {}, meta: { name: 'a' } };
  const variable = { key: 'A', value: 'a', description: 'a', notes: {} };
  const filter = { includes: ['a'], excludes: ['a'] };
  const logConfig = { stdoutFilename: 'a', stderrFilename: 'b' };
  const parameterSet = {
    appArgs: [argument],
    containerArgs: [argument],
    schedulerOptions: [argument],
    envVariables: [variable],
    archiveFilter: filter,
    logConfig,
  };
  const inputs = {
    fileInputs: [
      { name: 'a', description: 'a', envKey: 'A', sourceUrl: 'tapis://vm/a', targetPath: 'a', notes: {} },
    ],
    fileInputArrays: [
      { name: 'a', description: 'a', envKey: 'A', sourceUrls: ['tapis://vm/a'], targetDir: 'a', notes: {} },
    ],
  };
  const dirs = {
    execSystemId: 'vm',
    execSystemExecDir: 'a',
    execSystemInputDir: 'a',
    execSystemOutputDir: 'a',
    archiveSystemId: 'vm',
    archiveSystemDir: 'a',
    dtnSystemInputDir: 'a',
  };
  const rest = {
    description: 'a',
    execSystemLogicalQueue: 'a',
    mpiCmd: 'a',
    cmdPrefix: 'a',
    execSystemConstraints: ['a'],
    subscriptions: [{ eventCategoryFilter: 'ALL', deliveryTargets: [{ deliveryMethod: 'EMAIL', deliveryAddress: 'a@b' }] }], // prettier-ignore
    tags: ['a'],
    memoryMB: 1,
    isMpi: false,
  };
  const system = {
    id: 'other', systemType: 'LINUX', host: 'example.org', defaultAuthnMethod: 'PASSWORD', effectiveUserId: 'alice', rootDir: '/', canExec: true, port: 22,
    authnCredential: { password: 'a', privateKey: 'a', publicKey: 'a' }, jobWorkingDir: 'a', jobRuntimes: [{ runtimeType: 'ZIP', version: 'a' }],
    jobEnvVariables: [variable], batchLogicalQueues: [{ name: 'q', hpcQueueName: 'q', description: 'a', schedulerOptions: [argument] }],
    jobCapabilities: [{ category: 'OS', name: 'a', datatype: 'STRING', value: 'a' }], tags: ['a'], description: 'a', owner: 'alice', proxyHost: 'a', bucketName: 'a', mpiCmd: 'a',
    notes: { kilim: { containerEngineArgs: ['a'] } },
  }; // prettier-ignore
  it.each<[string, string, unknown]>([
    ['POST', '/v3/jobs/submit', { ...job, ...dirs, ...rest, ...inputs, parameterSet, notes: {} }],
    ['POST', '/v3/apps', { id: 'b', version: '1', containerImage: '/a', description: 'a', owner: 'alice', tags: ['a'], notes: {}, runtimeOptions: ['NONE'],
      jobAttributes: { ...dirs, ...rest, ...inputs, parameterSet } }],
    ['POST', '/v3/systems', system],
    ['PATCH', '/v3/systems/vm', { description: 'a', tags: ['a'], jobEnvVariables: [variable] }],
    ['POST', '/v3/systems/schedulerProfile', { name: 'p', description: 'a', owner: 'alice', moduleLoads: [{ moduleLoadCommand: 'module load', modulesToLoad: ['a'] }], hiddenOptions: ['MEM'] }],
    ['POST', '/v3/systems/perms/vm/user/train301', { permissions: ['READ'] }],
    ['POST', '/v3/systems/credential/vm/user/alice', { password: 'a', privateKey: 'a', publicKey: 'a', accessKey: 'a', accessSecret: 'a', loginUser: 'a' }],
    ['POST', '/v3/files/permissions/vm/a', { username: 'train301', permission: 'READ' }],
    ['POST', '/v3/files/ops/vm/a', { path: 'a' }],
    ['PUT', '/v3/files/ops/vm/a', { operation: 'MOVE', newPath: 'b' }],
    ['POST', '/v3/oauth2/clients', { client_id: 'c', client_key: 'a', callback_url: 'a', display_name: 'a', description: 'a' }],
    ['POST', '/v3/oauth2/tokens', { grant_type: 'refresh_token', refresh_token: 'a', client_id: 'a', client_key: 'a' }],
    ['POST', '/v3/oauth2/tokens', { grant_type: 'password', username: 'a', password: 'a' }],
    ['POST', '/v3/oauth2/tokens/revoke', { token: 'a' }],
    ['POST', '/v3/security/user/isAdmin', { tenant: 'dev', user: 'a' }],
    ['POST', '/v3/jobs/search', { search: ['a'] }],
  ])('each member of the body of %s %s', async (method, path, base) => {
    await expectQuick(
      placesIn(base).flatMap((place) =>
        Object.entries({ text: JSON.stringify(text), objects: listOf('{"a":0}', 900_000) }).map(([what, raw]) => ({
          what: `${place.join('.')} ${what}`,
          method,
          path,
          body: put(base, place, raw),
        })),
      ),
    );
  }, 600_000); // prettier-ignore

  const MANY = Array.from({ length: 500 }, (_, i) => `name <> 'n${i}'`);
  const long = `%${run('a_', 250)}%`;
  it.each(['jobs', 'apps', 'systems'])('searches of %s', async (service) => {
    const searches = {
      conditions: MANY.map((one) => one.replaceAll('name', 'id')).join(' AND '), depth: run('(', 20_000), quotes: run("'", 32_000), open: `id = '${run("''", 32_000)}`,
      words: run('a ', 32_000), values: `id IN (${run('1,', 1_900)}1)`, 'too many values': `id IN (${run('1,', 32_000)}1)`, signs: run('<>', 32_000), digits: `id = ${run('1', 32_000)}`,
      patterns: Array.from({ length: 10 }, () => `owner LIKE '${long}'`).join(' OR '), wildcards: `owner LIKE '${run('%_', 32_000)}'`,
    };
    const path = `/v3/${service}/search`;
    await expectQuick([
      ...Object.entries(searches).map(([what, one]) => ({ what, method: 'POST', path, body: JSON.stringify({ search: [one] }) })),
      { what: 'parts', method: 'POST', path, body: `{"search":${listOf('"a"')}}` },
      { what: 'a long part', method: 'POST', path, body: JSON.stringify({ search: [run("'")] }) },
    ]);
  }, 600_000); // prettier-ignore

  it('and none of any shape, at any route', async () => {
    const reading = routes.filter(({ method }) => method !== 'get');
    expect(reading.length).toBeGreaterThan(30);
    const cases = reading.flatMap(({ method, path, open }) => {
      const at = { method: method.toUpperCase(), path: pathOf(path) };
      const some = Object.entries(BODIES).map(([what, body]) => ({ ...at, what, body }));
      const strangers = (open ? some : some.slice(0, 1)).map((one) => ({
        ...one,
        isStranger: true as const,
      }));
      return [...some, ...strangers];
    });
    const login = { method: 'POST', path: '/v3/oauth2/tokens', isStranger: true as const };
    const form = { what: 'a form', body: run('a=&'), type: 'application/x-www-form-urlencoded' };
    cases.push(...Object.entries(READ_ALIKE).map(([what, body]) => ({ ...login, what, body })), {
      ...login,
      ...form,
    });
    await expectQuick(cases);
  }, 600_000);
});

it('no long query or path takes the event loop for longer than 100 ms', async () => {
  const most = 12_000; // Node takes 16 KiB of headers
  const queries: string[] = [
    `search=${run('(', most)}`, `search=${run('(id.eq.1)~', most)}(id.eq.1)`, `orderBy=${run('id,', most)}id`, `orderBy=id${run('%20', most)}(`, `select=${run('id,', most)}`,
    `limit=${run('1', most)}`, `owner.like=${run('*!', most)}`, run('id.neq=1&', most), `pattern=regex:${run('(', most)}`, `pattern=${run('*', most)}`, `recurse=${run('a', most)}`,
  ]; // prettier-ignore
  const paths = [run('/', most), run('%2F', most), run('a/', most), run('../', most)];
  await expectQuick(
    routes
      .filter(({ method }) => method === 'get')
      .flatMap(({ path }): Case[] => [
        ...queries.map((query) => ({
          what: query.slice(0, 20),
          method: 'GET',
          path: `${pathOf(path)}?${query}`,
        })),
        ...paths.map((more) => ({ what: 'path', method: 'GET', path: `${pathOf(path)}/${more}` })),
      ]),
  );
}, 600_000);
