import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import childProcess, { spawn, type ChildProcess } from 'node:child_process';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { seedOfClusters } from './clusters.js';
import { part } from './testbed.js';

const ROOT = new URL('../..', import.meta.url).pathname;
const TERMINAL = ['FINISHED', 'FAILED', 'CANCELLED'];

export interface JobRecord {
  uuid: string;
  status: string;
  condition: string | null;
  lastMessage: string;
  remoteStarted: string | null;
  remoteEnded: string | null;
  remoteOutcome: string | null;
  remoteResultInfo: string | null;
  remoteJobId: string | null;
  blockedCount: number;
}

/** A whole Kilim in a folder of its own, driven over HTTP as users do. */
export interface Kilim {
  url: string;
  home: string;
  call: (
    method: string,
    path: string,
    body?: unknown,
    user?: string,
    headers?: Record<string, string>,
  ) => Promise<{ status: number; message: string; result: unknown }>;
  submit: (request: Record<string, unknown>, headers?: Record<string, string>) => Promise<string>;
  get: (uuid: string) => Promise<JobRecord>;
  /** Waits for a status; a terminal one that is another fails at once, with the job's own words. */
  until: (uuid: string, status: string, seconds?: number) => Promise<JobRecord>;
  output: (uuid: string, path?: string) => Promise<string>;
  /** Ends a child program as a crash would. */
  kill: (program: 'temporal' | 'api' | 'worker') => number;
  stop: () => Promise<void>;
}

/** Systems `here`, and `vm`, `store` and `podman` (Podman on `vm`) over SSH where the test bed has them; applications `zip-app` and `docker-app`. */
export function seedOf(home: string): unknown {
  const ssh = (id: string, name: 'vm-ssh' | 'store-ssh', more: object = {}) => {
    const bed = part(name);
    if (!bed) return { systems: [], credentials: [] };
    return {
      systems: [{ id, owner: 'alice', systemType: 'LINUX', host: '127.0.0.1', port: bed.port, defaultAuthnMethod: 'PKI_KEYS', effectiveUserId: bed.user,
        rootDir: bed.home, canExec: true, jobWorkingDir: 'workdir', jobRuntimes: [{ runtimeType: 'ZIP' }, { runtimeType: 'DOCKER' }], ...more }],
      credentials: [{ systemId: id, userName: bed.user, privateKeyFile: bed.privateKeyFile }],
    }; // prettier-ignore
  };
  const vm = ssh('vm', 'vm-ssh');
  const store = ssh('store', 'store-ssh');
  const podman = part('podman')
    ? ssh('podman', 'vm-ssh', { notes: { kilim: { containerEngine: 'podman' } } })
    : { systems: [], credentials: [] };
  const clusters = seedOfClusters(`${home}/apps/shell.tar`);
  const here = { id: 'here', owner: 'alice', systemType: 'LINUX', host: 'localhost', defaultAuthnMethod: 'PASSWORD', rootDir: `${home}/data/here`,
    canExec: true, jobWorkingDir: 'workdir', jobRuntimes: [{ runtimeType: 'ZIP' }, { runtimeType: 'DOCKER' }],
    ...(part('docker') ? { notes: { kilim: { containerEngineArgs: ['-H', part('docker')?.DOCKER_HOST] } } } : {}) }; // prettier-ignore
  return {
    tenant: 'dev',
    users: [{ username: 'alice', password: 'alice' }, { username: 'bob', password: 'bob' }],
    systems: [here, ...vm.systems, ...store.systems, ...podman.systems, ...clusters.systems],
    credentials: [...vm.credentials, ...store.credentials, ...podman.credentials, ...clusters.credentials],
    apps: [
      { id: 'zip-app', version: '1', owner: 'alice', runtime: 'ZIP', containerImage: `${home}/apps/shell.tar` },
      { id: 'docker-app', version: '1', owner: 'alice', runtime: 'DOCKER', containerImage: 'kilim/busybox:test' },
      { id: 'zip-missing', version: '1', owner: 'alice', runtime: 'ZIP', containerImage: `${home}/apps/not-there.tar` },
      { id: 'docker-missing', version: '1', owner: 'alice', runtime: 'DOCKER', containerImage: 'kilim/not-there:1' },
      ...clusters.apps,
    ],
    profiles: [],
  }; // prettier-ignore
}

/** A folder with the application of the tests, which the account that runs jobs can reach. */
export function aHome(): string {
  const home = mkdtempSync(join(tmpdir(), 'kilim-test-'));
  chmodSync(home, 0o711);
  // the application runs the shell text of its first argument: `sh -c "…"`
  const files = join(home, 'apps');
  spawnSyncOrThrow('bash', [
    '-c',
    `umask 022; mkdir -p ${files}/x && cd ${files}/x && printf '#!/bin/sh\\nexec sh -c "$1"\\n' > tapisjob_app.sh && chmod 755 tapisjob_app.sh && tar -cf ../shell.tar tapisjob_app.sh`,
  ]);
  return home;
}

/** With the systems and applications of the tests, or with another seed file; `env` is added to the environment. */
export async function aKilim({
  seedFile,
  env = {},
}: { seedFile?: string; env?: Record<string, string> } = {}): Promise<Kilim> {
  const home = aHome();
  const seed = seedFile ?? join(home, 'seed.json');
  if (!seedFile) writeFileSync(seed, JSON.stringify(seedOf(home)), { mode: 0o600 });
  const child = spawn(
    process.execPath,
    [join(ROOT, 'bin/kilim'), 'up', '--home', home, '--port', String(await anyPort()), '--seed', seed],
    { env: { ...process.env, KILIM_LOCAL_USERS: 'alice,bob', ...env }, stdio: ['ignore', 'pipe', 'pipe'] },
  );
  const url = await readyLine(child);
  return {
    url,
    home,
    ...aClient(url),
    kill: (program) => killChild(child.pid ?? 0, program),
    async stop() {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGTERM');
      await ended;
      rmSync(home, { recursive: true, force: true });
    },
  };
}

/** Cancels what still lives: a test that failed leaves nothing on the hosts. */
export async function cancelAll({ call, until }: Kilim): Promise<void> {
  const all = (await call('GET', '/v3/jobs/list?limit=-1')).result as { uuid: string; status: string }[];
  const live = all.filter(({ status }) => !TERMINAL.includes(status));
  await Promise.all(live.map(({ uuid }) => call('POST', `/v3/jobs/${uuid}/cancel`)));
  await Promise.all(live.map(({ uuid }) => until(uuid, 'CANCELLED', 100)));
}

/** What a user sees of an API. */
export function aClient(url: string): Pick<Kilim, 'call' | 'get' | 'submit' | 'until' | 'output'> {
  const tokens = new Map<string, string>();
  const call: Kilim['call'] = async (method, path, body, user = 'alice', more = {}) => {
    if (!tokens.has(user)) {
      const login = await fetch(`${url}/v3/oauth2/tokens`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify({ username: user, password: user, grant_type: 'password' }),
      });
      tokens.set(
        user,
        ((await login.json()) as { result: { access_token: { access_token: string } } }).result.access_token
          .access_token,
      );
    }
    const reply = await fetch(`${url}${path}`, {
      method,
      headers: {
        'X-Tapis-Token': tokens.get(user) ?? '',
        // A test that waits for a command of its own holds its process up, and may miss that the API closed a kept one.
        Connection: 'close',
        ...more,
        ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const answer = (await reply.json()) as { message: string; result: unknown };
    return { status: reply.status, message: answer.message, result: answer.result };
  };
  const get: Kilim['get'] = async (uuid) => (await call('GET', `/v3/jobs/${uuid}`)).result as JobRecord;
  return {
    call,
    get,
    async submit(request, headers = {}) {
      const body = { name: 'test', appVersion: '1', ...request };
      const { status, message, result } = await call('POST', '/v3/jobs/submit', body, 'alice', headers);
      if (status !== 200) throw new Error(`submit: ${status} ${message}`);
      return (result as JobRecord).uuid;
    },
    async until(uuid, wanted, seconds = 25) {
      let job: JobRecord | null = null;
      for (const deadline = Date.now() + seconds * 1000; Date.now() < deadline; await sleep(30)) {
        job = await get(uuid).catch(() => job);
        if (job?.status === wanted) return job;
        if (job && TERMINAL.includes(job.status)) break;
      }
      throw new Error(
        `job ${uuid} is ${job?.status ?? 'unknown'} (${job?.condition ?? ''}), not ${wanted}: ${job?.lastMessage ?? ''}`,
      );
    },
    async output(uuid, path = 'tapisjob.out') {
      const reply = await fetch(`${url}/v3/jobs/${uuid}/output/download/${path}?allowIfRunning=true`, {
        headers: { 'X-Tapis-Token': tokens.get('alice') ?? '' },
      });
      return reply.text();
    },
  };
}

/** The program below the supervisor's guard, by its place in the process tree. */
function killChild(parent: number, program: string): number {
  const table = spawnSyncOrThrow('ps', ['-eo', 'pid=,ppid=,args=']).split('\n').map((line) => /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(line)).filter((row) => row !== null); // prettier-ignore
  const guards = table.filter((row) => Number(row[2]) === parent).map((row) => Number(row[1]));
  const pattern = program === 'temporal' ? /server start-dev/ : new RegExp(`dist/${program}/main\\.js`);
  const found = table.find(
    (row) => guards.includes(Number(row[2])) && pattern.test(row[3] ?? '') && !/^bash/.test(row[3] ?? ''),
  );
  if (!found) throw new Error(`no ${program} runs below ${parent}`);
  process.kill(Number(found[1]), 'SIGKILL');
  return Number(found[1]);
}

function spawnSyncOrThrow(command: string, args: string[]): string {
  const { status, stdout, stderr } = childProcess.spawnSync(command, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command}: ${stderr}`);
  return stdout;
}

const readyLine = (child: ChildProcess): Promise<string> =>
  new Promise((resolve, reject) => {
    let said = '';
    child.stdout?.on('data', (chunk: Buffer) => {
      const ready = /kilim ready at (\S+)/.exec(chunk.toString());
      if (ready?.[1]) resolve(ready[1]);
    });
    child.stderr?.on('data', (chunk: Buffer) => (said += chunk.toString()));
    child.once('exit', () => reject(new Error(`kilim up ended: ${said}`)));
  });

/** A free port below those that the system gives to connections: nobody is given it before it is used. */
export const anyPort = (): Promise<number> =>
  new Promise((resolve) => {
    const port = 10_000 + Math.floor(Math.random() * 12_000);
    const server = net.createServer();
    server.once('error', () => resolve(anyPort()));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(port)));
  });

/** Shell text that goes on until `letGo`: a test is never late for it, however slow the machine is. */
export const HELD = 'until [ -e go ]; do sleep 0.1; done';
/** Lets the HELD application of a job go on; its folder as this machine sees it. */
export const letGo = (execDir: string): void => writeFileSync(join(execDir, 'go'), '');

/** How often the application of a job was started, by its ledger on this machine's disk. */
export const startsOf = (execDir: string, uuid: string): number =>
  Number(spawnSyncOrThrow('bash', ['-c', `ls -d ${execDir}/.kilim/${uuid}/started.* | wc -l`]));

/** `kill -9` of every sshd session of a login name, at the host: what a broken login node does. */
export function killSessions(user: string): number {
  const sessions = spawnSyncOrThrow('ps', ['-eo', 'pid=,args=']).split('\n')
    .map((line) => /^\s*(\d+)\s+sshd(?:-session)?: (\S+)/.exec(line)).filter((row) => row?.[2] === user || row?.[2]?.startsWith(`${user}@`)); // prettier-ignore
  for (const row of sessions) childProcess.spawnSync('kill', ['-KILL', row?.[1] ?? '']);
  return sessions.length;
}

/** Processes that carry the job's tag. */
export const processesOf = (uuid: string): string[] =>
  spawnSyncOrThrow('bash', [
    '-c',
    `grep -lsz 'KILIM_JOB=.*${uuid}' /proc/[0-9]*/environ | tr '\\0' '\\n' || true`,
  ])
    .split('\n')
    .filter(Boolean);
