import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** The checkout, seen from dist/bench. */
export const ROOT = new URL('../..', import.meta.url).pathname;

export interface SshPart {
  port: number;
  user: string;
  home: string;
  privateKeyFile: string;
}

interface Bed {
  parts?: Record<string, (SshPart & { state: string }) | undefined>;
}

/** A real sshd of the test bed. @throws Error that says how to get it */
export function sshPart(name: 'vm-ssh' | 'store-ssh'): SshPart {
  const said = spawnSync(process.execPath, [join(ROOT, 'test/testbed/main.mjs'), 'status'], {
    encoding: 'utf8',
  });
  const found = said.status === 0 ? (JSON.parse(said.stdout) as Bed).parts?.[name] : undefined;
  if (found?.state !== 'up') throw new Error(`${name} is not up: npm run testbed -- up ${name}`);
  return found;
}

/** A system on an SSH host, as the seed has it; through another port where a delay stands between. */
export const sshSystem = (id: string, part: SshPart, port = part.port): SeedSystem => ({
  system: {
    id,
    owner: 'alice',
    systemType: 'LINUX',
    host: '127.0.0.1',
    port,
    defaultAuthnMethod: 'PKI_KEYS',
    effectiveUserId: part.user,
    rootDir: part.home,
    canExec: true,
    jobWorkingDir: 'workdir',
    jobRuntimes: [{ runtimeType: 'ZIP' }],
  },
  credential: { systemId: id, userName: part.user, privateKeyFile: part.privateKeyFile },
});

export interface SeedSystem {
  system: Record<string, unknown>;
  credential?: Record<string, unknown>;
}

/** The users of the seed; alice owns the systems and applications. */
type User = 'alice' | 'bob';

export interface World {
  url: string;
  home: string;
  /** Milliseconds from the start of `kilim up` to its line "ready". */
  readyMs: number;
  call: <T>(method: string, path: string, body?: unknown, user?: User) => Promise<T>;
  submit: (system: string, script: string, more?: Record<string, unknown>, user?: User) => Promise<string>;
  /** Waits for the end; a job that does not end FINISHED fails the measurement. */
  finished: (uuid: string, seconds?: number, user?: User) => Promise<void>;
  /** Seconds of processor time that Kilim and Temporal together have used so far. */
  processorSeconds: () => number;
  /** Bytes of resident memory: of a program, or of all of them together. */
  memory: (program?: 'worker' | 'api' | 'temporal') => number;
  stop: () => Promise<void>;
}

/** A whole Kilim in a fresh folder: the system `here` (this machine) and those that are given; `shell` runs $SCRIPT. */
export async function aWorld(systems: SeedSystem[] = [], env: Record<string, string> = {}): Promise<World> {
  const home = mkdtempSync(join(tmpdir(), 'kilim-bench-'));
  chmodSync(home, 0o711);
  return openWorld(home, systems, env);
}

export async function openWorld(
  home: string,
  systems: SeedSystem[],
  env: Record<string, string> = {},
): Promise<World> {
  makeApplication(home);
  const here: Record<string, unknown> = {
    id: 'here', owner: 'alice', systemType: 'LINUX', host: 'localhost', defaultAuthnMethod: 'PASSWORD', rootDir: `${home}/data/here`,
    canExec: true, jobWorkingDir: 'workdir', jobRuntimes: [{ runtimeType: 'ZIP' }],
  }; // prettier-ignore
  const seed = {
    tenant: 'dev',
    users: ['alice', 'bob'].map((name) => ({ username: name, password: name })),
    systems: [here, ...systems.map(({ system }) => system)],
    credentials: systems.flatMap(({ credential }) => (credential ? [credential] : [])),
    apps: [{ id: 'shell', version: '1', owner: 'alice', runtime: 'ZIP', containerImage: `${home}/apps/shell.tar` }],
    profiles: [],
  }; // prettier-ignore
  const seedFile = join(home, 'bench-seed.json');
  writeFileSync(seedFile, JSON.stringify(seed), { mode: 0o600 });
  const begin = performance.now();
  const child = spawn(
    process.execPath,
    [join(ROOT, 'bin/kilim'), 'up', '--home', home, '--port', String(await freePort()), '--seed', seedFile],
    {
      env: { ...process.env, KILIM_LOCAL_USERS: 'alice', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  const url = await readyAt(child);
  const readyMs = performance.now() - begin;
  const tokens = { alice: await logIn(url, 'alice'), bob: await logIn(url, 'bob') };
  const call: World['call'] = async <T>(
    method: string,
    path: string,
    body?: unknown,
    user: User = 'alice',
  ): Promise<T> => {
    const reply = await fetch(`${url}${path}`, {
      method,
      headers: { 'X-Tapis-Token': tokens[user], ...(body === undefined ? {} : { 'Content-Type': 'application/json' }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    }); // prettier-ignore
    const answer = (await reply.json()) as { message: string; result: T };
    if (!reply.ok) throw new Error(`${method} ${path}: ${reply.status} ${answer.message}`);
    return answer.result;
  };
  return {
    url,
    home,
    readyMs,
    call,
    async submit(system, script, more = {}, user = 'alice') {
      const request = aRequest(system, script, more);
      return (await call<{ uuid: string }>('POST', '/v3/jobs/submit', request, user)).uuid;
    },
    async finished(uuid, seconds = 120, user = 'alice') {
      for (const deadline = Date.now() + seconds * 1000; Date.now() < deadline; await sleep(5)) {
        const { status } = await call<{ status: string }>('GET', `/v3/jobs/${uuid}/status`, undefined, user);
        if (status === 'FINISHED') return;
        if (status === 'FAILED' || status === 'CANCELLED') {
          const { lastMessage } = await call<{ lastMessage: string }>(
            'GET',
            `/v3/jobs/${uuid}`,
            undefined,
            user,
          );
          throw new Error(`job ${uuid} is ${status}: ${lastMessage}`);
        }
      }
      throw new Error(`job ${uuid} did not end within ${seconds} s`);
    },
    memory: (program) =>
      below(child.pid ?? 0)
        .filter(({ args }) => !program || isProgram(args, program))
        .reduce((sum, { pid }) => sum + residentBytes(pid), 0),
    processorSeconds: () => below(child.pid ?? 0).reduce((sum, { pid }) => sum + processorSeconds(pid), 0),
    async stop() {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGTERM');
      await ended;
      rmSync(home, { recursive: true, force: true });
    },
  };
}

export const aRequest = (
  system: string,
  script: string,
  more: Record<string, unknown> = {},
): Record<string, unknown> => ({
  name: 'bench',
  appId: 'shell',
  appVersion: '1',
  execSystemId: system,
  parameterSet: { envVariables: [{ key: 'SCRIPT', value: script }] },
  ...more,
});

/** The smallest application there is: it runs the text of a variable. */
function makeApplication(home: string): void {
  if (existsSync(join(home, 'apps/shell.tar'))) return;
  const script = [
    `umask 022; mkdir -p '${home}/apps/x' && cd '${home}/apps/x'`,
    `printf '#!/bin/sh\\neval "$SCRIPT"\\n' > tapisjob_app.sh && chmod 755 tapisjob_app.sh`,
    'tar -cf ../shell.tar tapisjob_app.sh',
  ].join(' && ');
  const { status, stderr } = spawnSync('bash', ['-c', script], { encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr);
}

async function logIn(url: string, user: User): Promise<string> {
  const reply = await fetch(`${url}/v3/oauth2/tokens`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ username: user, password: user, grant_type: 'password' }),
  });
  const { result } = (await reply.json()) as { result: { access_token: { access_token: string } } };
  return result.access_token.access_token;
}

const readyAt = (child: ChildProcess): Promise<string> =>
  new Promise((resolve, reject) => {
    let said = '';
    child.stdout?.on('data', (chunk: Buffer) => {
      const url = /kilim ready at (\S+)/.exec(chunk.toString())?.[1];
      if (url) resolve(url);
    });
    child.stderr?.on('data', (chunk: Buffer) => (said += chunk.toString()));
    child.once('exit', () => reject(new Error(`kilim up ended: ${said}`)));
  });

export const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });

interface Process {
  pid: number;
  args: string;
}

/** `kilim up` and all its children. */
function below(root: number): Process[] {
  const { stdout } = spawnSync('ps', ['-eo', 'pid=,ppid=,args='], { encoding: 'utf8' });
  const rows = stdout.split('\n').flatMap((line) => {
    const [, pid, ppid, args = ''] = /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(line) ?? [];
    return pid ? [{ pid: Number(pid), ppid: Number(ppid), args }] : [];
  });
  const family = new Set([root]);
  for (let size = 0; size !== family.size;) {
    size = family.size;
    for (const { pid, ppid } of rows) if (family.has(ppid)) family.add(pid);
  }
  return rows.filter(({ pid }) => family.has(pid));
}

const isProgram = (args: string, program: string): boolean =>
  !args.startsWith('bash') &&
  (program === 'temporal' ? / server start-dev/.test(args) : args.includes(`dist/${program}/main.js`));

/** What a process holds, with its share of what it shares. */
function residentBytes(pid: number): number {
  try {
    const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
    return Number(/^Rss:\s+(\d+)/m.exec(text)?.[1] ?? 0) * 1024;
  } catch {
    return 0; // it ended meanwhile
  }
}

/** Seconds of processor time of a process and of its children that have ended; a clock tick is 1/100 s on Linux. */
function processorSeconds(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // the fields after the name, which may hold any character: utime, stime, cutime and cstime are the fields 14 to 17
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks), 0) / 100;
  } catch {
    return 0; // it ended meanwhile
  }
}
