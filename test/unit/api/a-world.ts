import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';

import { pino } from 'pino';

import type { ApiDeps } from '../../../api/deps.js';
import type { Engine } from '../../../api/engine.js';
import { createGuesses } from '../../../api/identity/guesses.js';
import { hashPassword } from '../../../api/identity/passwords.js';
import { createTokens } from '../../../api/identity/tokens.js';
import { serve } from '../../../api/serve.js';
import { createHosts } from '../../../hosts/hosts.js';
import { parseConfig } from '../../../schemas/config.js';
import { hostLookups } from '../../../store/host-lookups.js';
import { openStore } from '../../../store/open-store.js';

export interface Said {
  status: number;
  type: string | null;
  headers: Headers;
  text: string;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- a test reads what it expects
  json: any;
}

export interface World {
  url: string;
  deps: ApiDeps;
  /** Folder that local systems may use. */
  data: string;
  engineCalls: string[];
  isEngineUp: boolean;
  /** The audit lines of the log so far, in order. */
  audit: Record<string, unknown>[];
  ask: (
    method: string,
    path: string,
    options?: { as?: string; body?: unknown; headers?: Record<string, string> },
  ) => Promise<Said>;
  token: (user: string) => Promise<string>;
  close: () => Promise<void>;
}

const USERS = { admin: true, alice: false, train301: false, stranger: false };

/** A whole API on a real SQLite store and this machine as host; Temporal is a list of calls. */
export async function aWorld(env: Record<string, string> = {}): Promise<World> {
  const home = mkdtempSync(join(tmpdir(), 'kilim-api-'));
  const data = join(home, 'local', 'data');
  mkdirSync(data, { recursive: true });
  const config = parseConfig({
    KILIM_HOME: home, KILIM_LOCAL_EXECUTION: 'true', KILIM_LOCAL_USER: userInfo().username, KILIM_LOCAL_USERS: 'alice',
    LOG_LEVEL: 'silent', ...env,
  }); // prettier-ignore
  const store = await openStore({ url: config.DATABASE_URL, keys: [randomBytes(32)], mayMigrate: true });
  for (const [username, isAdmin] of Object.entries(USERS)) {
    await store.users.put({ tenant: 'dev', username, passwordHash: await hashPassword(username), isAdmin });
  }
  const hosts = createHosts({
    ...hostLookups(store),
    reach: { allowed: config.KILIM_ALLOWED_HOSTS ?? null, isTold: false },
    local: {
      isEnabled: config.KILIM_LOCAL_EXECUTION,
      runAs: config.KILIM_LOCAL_USER,
      home: join(home, 'local'),
    },
  });
  const world = { engineCalls: [] as string[], isEngineUp: true };
  const engine: Engine = {
    start: ({ uuid }) => void world.engineCalls.push(`start ${uuid}`),
    step: () => Promise.resolve(world.isEngineUp ? null : undefined),
    cancel: (uuid) => Promise.resolve(world.engineCalls.push(`cancel ${uuid}`) > 0 && world.isEngineUp),
    signal: (uuid, name) =>
      Promise.resolve(world.engineCalls.push(`${name} ${uuid}`) > 0 && world.isEngineUp),
    ping: () => Promise.resolve(world.isEngineUp),
    close: () => Promise.resolve(),
  };
  const audit: Record<string, unknown>[] = [];
  const log = pino({ level: 'error' }, { write: (line) => void takeAudit(line, audit) });
  const deps: ApiDeps = {
    config,
    store,
    hosts,
    engine,
    log,
    droppedLines: () => 0,
    installation: 'test',
    tokens: await createTokens(store, config),
    guesses: createGuesses(),
  };
  const server = serve(deps).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  const ask: World['ask'] = async (method, path, { as, body, headers = {} } = {}) => {
    const isPlain = typeof body === 'string' || body instanceof Uint8Array || body instanceof FormData;
    const reply = await fetch(url + path, {
      method,
      headers: {
        ...(as ? { 'X-Tapis-Token': await token(as) } : {}),
        ...(body === undefined || isPlain ? {} : { 'Content-Type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: isPlain ? (body as string) : JSON.stringify(body) }),
      redirect: 'manual',
    });
    const text = await reply.text();
    const type = reply.headers.get('content-type');
    return {
      status: reply.status,
      type,
      headers: reply.headers,
      text,
      json: type === 'application/json' && text !== '' ? JSON.parse(text) : null,
    };
  };
  const tokens = new Map<string, string>();
  const token = async (user: string): Promise<string> => {
    const known = tokens.get(user);
    if (known) return known;
    const said = await ask('POST', '/v3/oauth2/tokens', {
      body: { username: user, password: user, grant_type: 'password' },
    });
    if (said.status !== 200) throw new Error(said.text);
    const made = said.json.result.access_token.access_token as string;
    tokens.set(user, made);
    return made;
  };
  return Object.assign(world, {
    url, audit, deps, data, ask, token,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      hosts.close();
      await store.close();
      rmSync(home, { recursive: true, force: true });
    },
  }); // prettier-ignore
}

function takeAudit(line: string, audit: Record<string, unknown>[]): void {
  const said = JSON.parse(line) as Record<string, unknown>;
  if (said['audit'] === true) audit.push(said);
}

/** Alice's local system and application, as in the tutorial. */
export async function aTutorial(world: World): Promise<void> {
  const system = await world.ask('POST', '/v3/systems', {
    as: 'alice',
    body: {
      id: 'vm', systemType: 'LINUX', host: 'localhost', defaultAuthnMethod: 'PASSWORD', effectiveUserId: 'alice', rootDir: world.data,
      canExec: true, jobWorkingDir: 'workdir', jobRuntimes: [{ runtimeType: 'ZIP' }, { runtimeType: 'SINGULARITY' }],
    },
  }); // prettier-ignore
  const app = await world.ask('POST', '/v3/apps', {
    as: 'alice',
    body: {
      id: 'img', version: '0.0.1', runtime: 'ZIP', containerImage: '/tmp/app.zip', jobType: 'FORK',
      jobAttributes: { execSystemId: 'vm', parameterSet: { archiveFilter: { includeLaunchFiles: false } } },
    },
  }); // prettier-ignore
  if (system.status !== 201 || app.status !== 201) throw new Error(system.text + app.text);
}
