import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync, readdirSync, statSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';

import { afterAll, beforeAll, expect, it } from 'vitest';

import { aKilim, HELD, letGo, type Kilim } from '../support/kilim.js';
import { part } from '../support/testbed.js';

/* A secret may be in the memory of who needs it and in the job's own environment file. Everything else is searched for it. */

const secretOf = (what: string): string => `${what}-${randomBytes(12).toString('hex')}`;
const secrets = {
  environment: secretOf('env'),
  'of a job that failed': secretOf('failed'),
  password: secretOf('password'),
  'credential of a system': secretOf('credential'),
  'signature of a URL': secretOf('signature'),
  'password in a URL': secretOf('userinfo'),
};

let kilim: Kilim;
const answers: string[] = [];
let token = '';
let server: Server;

const post = async (path: string, body: unknown, headers: Record<string, string> = {}): Promise<unknown> => {
  const reply = await fetch(`${kilim.url}${path}`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
  const text = await reply.text();
  return JSON.parse(text) as unknown;
};

beforeAll(async () => {
  kilim = await aKilim({ env: { LOG_LEVEL: 'debug', KILIM_ALLOW_PRIVATE_FETCH: 'true' } });
  server = createServer((request, response) => {
    const [path = '', query = ''] = (request.url ?? '').split('?');
    if (path === '/moved') response.writeHead(302, { location: `/none?${query}` }).end();
    else
      response
        .writeHead(path === '/data' && query.includes(secrets['signature of a URL']) ? 200 : 404)
        .end('data');
  }).listen(0, '127.0.0.1');
  const login = (password: string): Promise<unknown> =>
    post('/v3/oauth2/tokens', { username: 'alice', password, grant_type: 'password' });
  answers.push(JSON.stringify(await login(secrets.password)));
  const { result } = (await login('alice')) as { result: { access_token: { access_token: string } } };
  token = result.access_token.access_token;
});
afterAll(async () => {
  server.close();
  await kilim.stop();
});

const submit = (execSystemId: string, script: string, secret: string): Promise<string> =>
  kilim.submit({
    appId: 'zip-app',
    execSystemId,
    parameterSet: {
      appArgs: [{ arg: `'eval "$SCRIPT"'` }],
      envVariables: [{ key: 'SCRIPT', value: script }, { key: 'TOKEN', value: secret }],
    },
  }); // prettier-ignore

/** Every file of the installation: both databases with their logs of changes, all programs' logs, the seed. */
function filesOf(folder: string): string[] {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    if (path === join(kilim.home, 'data')) return []; // the jobs' own directories
    const stat = statSync(path, { throwIfNoEntry: false });
    if (!stat) return [];
    return stat.isDirectory() ? filesOf(path) : stat.isFile() ? [path] : [];
  });
}

it('is found in no history, row, log, answer or process list', async () => {
  const uuids: string[] = [];
  const systems = new Map([['here', join(kilim.home, 'data/here')]]);
  const vm = part('vm-ssh');
  if (vm?.home) systems.set('vm', vm.home);
  for (const [system, rootDir] of systems) {
    const uuid = await submit(system, `${HELD}; echo "\${#TOKEN}"`, secrets.environment);
    await kilim.until(uuid, 'RUNNING', 60);
    const processes = execFileSync('ps', ['-eo', 'args'], { encoding: 'utf8', maxBuffer: 64_000_000 });
    expect(processes).not.toContain(secrets.environment);
    letGo(`${rootDir}/workdir/jobs/${uuid}`);
    await kilim.until(uuid, 'FINISHED', 60);
    expect(await kilim.output(uuid)).toBe(`${secrets.environment.length}\n`); // it did reach the application
    uuids.push(uuid);
    await kilim.until(await submit(system, 'exit 3', secrets['of a job that failed']), 'FAILED', 60);
  }
  const { port } = server.address() as AddressInfo;
  const fetching = (path: string, login = '') => ({
    name: 'url', appId: 'zip-app', appVersion: '1', execSystemId: 'here', parameterSet: { appArgs: [{ arg: 'true' }] },
    fileInputs: [{ sourceUrl: `http://${login}127.0.0.1:${port}${path}?sig=${secrets['signature of a URL']}`, targetPath: 'data' }],
  }); // prettier-ignore
  for (const [path, end] of [
    ['/data', 'FINISHED'],
    ['/moved', 'FAILED'],
  ] as const) {
    const uuid = await kilim.submit(fetching(path));
    const job = await kilim.until(uuid, end, 60);
    if (end === 'FAILED') expect(job.lastMessage).toContain(`http://127.0.0.1:${port}/moved?…`);
    for (const part of ['', '/history', '/explain', '/status'])
      answers.push(JSON.stringify(await kilim.call('GET', `/v3/jobs/${uuid}${part}`)));
  }
  const login = await kilim.call(
    'POST',
    '/v3/jobs/submit',
    fetching('/data', `bob:${secrets['password in a URL']}@`),
  );
  expect([login.status, login.message]).toEqual([400, expect.stringContaining('tapis://system/path')]);
  answers.push(login.message);
  const stored = await kilim.call('POST', '/v3/systems/credential/here/user/alice', {
    password: secrets['credential of a system'],
  });
  answers.push(stored.message, JSON.stringify(stored.result));
  if (part('vm-ssh')) {
    const refused = await kilim.call('POST', `/v3/systems/credential/vm/user/${part('vm-ssh')?.user}`, {
      password: secrets['credential of a system'],
    });
    expect(refused.status).toBeGreaterThanOrEqual(400);
    answers.push(refused.message);
  }
  for (const path of ['/v3/systems', '/v3/jobs/list', '/v3/systems/credential/here/user/alice'])
    answers.push(JSON.stringify(await kilim.call('GET', path)));

  const sought: Record<string, string> = { ...secrets, 'access token': token.split('.')[2] ?? '' };
  const keyFile = part('vm-ssh')?.privateKeyFile;
  if (keyFile) sought['private key'] = readFileSync(keyFile, 'utf8').split('\n')[2] ?? '';
  const files = filesOf(kilim.home);
  for (const name of ['kilim.db', 'temporal.db', 'api.log', 'worker.log', 'temporal.log'])
    expect(files).toContain(join(kilim.home, name));
  // what is no secret is found there
  const history = files.filter((file) => file.includes('temporal.db')).map((file) => readFileSync(file));
  for (const uuid of uuids) expect(history.some((bytes) => bytes.includes(uuid))).toBe(true);
  const found = Object.entries(sought).flatMap(([what, secret]) => {
    expect(secret.length).toBeGreaterThan(20);
    return [
      ...files.filter((file) => readFileSync(file).includes(secret)).map((file) => `${what} in ${file}`),
      ...answers.filter((answer) => answer.includes(secret)).map((answer) => `${what} in ${answer}`),
    ];
  });
  expect(found).toEqual([]);
}, 300_000);

it.runIf(part('vm-ssh') && part('store-ssh'))(
  'is not archived, also where a job writes its outputs into its exec dir',
  async () => {
    const uuid = await kilim.submit({
      appId: 'zip-app', execSystemId: 'vm', archiveSystemId: 'store', execSystemOutputDir: '${ExecSystemExecDir}', archiveSystemDir: 'archives/${JobUUID}',
      parameterSet: {
        appArgs: [{ arg: `'eval "$SCRIPT"'` }],
        envVariables: [{ key: 'SCRIPT', value: 'echo made > made.txt; ln -s made.txt link' }, { key: 'TOKEN', value: secrets.environment }],
      },
    }); // prettier-ignore
    await kilim.until(uuid, 'FINISHED', 60);
    const { result } = await kilim.call('GET', `/v3/files/ops/store/archives/${uuid}?recurse=true`);
    const names = (result as { name: string }[]).map(({ name }) => name).sort();
    expect(names).toEqual(expect.arrayContaining(['link', 'made.txt', 'tapisjob.out', 'tapisjob.sh']));
    expect(names.filter((name) => /env|kilim/.test(name))).toEqual([]);
  },
  60_000,
);
