import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';

import { lockHome, type HomeLock } from './home-lock.js';

export interface Home {
  /** Absolute. */
  dir: string;
  apiPort: number;
  temporalPort: number;
  uiPort: number;
  /** Of the worker. */
  metricsPort: number;
  lock: HomeLock;
}

const isRoot = (): boolean => process.getuid?.() === 0;
export const localUser = (): string => process.env['KILIM_LOCAL_USER'] ?? 'nobody';

/**
 * The folder of an embedded installation: keys, databases, logs, remembered ports. One `up` at a time.
 * It is its owner's alone; where Kilim is root, jobs of this machine run below it as another account, which may
 * pass through but not look.
 * @param env what the programs of this home will get: it says where their keys and their database are
 * @throws Error where another `up` uses it, or a port that was asked for is taken
 */
export async function openHome(
  wanted: string | undefined,
  port: number | undefined,
  env: NodeJS.ProcessEnv = process.env,
): Promise<Home> {
  const dir = homeFolder(wanted);
  let lock: HomeLock | undefined;
  try {
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    chmodSync(dir, isRoot() ? 0o711 : 0o700);
    lock = await lockHome(dir);
    closeToOthers(dir);
    makeKey(dir, env);
    return { dir, ...(await ports(dir, port)), lock };
  } catch (error) {
    lock?.release();
    throw inSentence(dir, error);
  }
}

/** The folder of the installation as an absolute path. An empty variable counts as unset, as for every setting. */
export const homeFolder = (wanted?: string): string =>
  resolve(wanted ?? (process.env['KILIM_HOME'] || join(homedir(), '.kilim')));

/** Error codes of system calls, as reasons why a home cannot be used. */
const FAULTS: Record<string, string> = {
  EACCES: 'this account may not write there',
  EPERM: 'this account may not write there, or does not own it',
  EROFS: 'its file system is read-only',
  ENOSPC: 'no space is left there',
  EDQUOT: 'the disk quota of this account is used up',
  ENOTDIR: 'a part of its path is not a folder',
  EEXIST: 'it is not a folder',
};

function inSentence(dir: string, error: unknown): unknown {
  const { code, path } = error as { code?: string; path?: string };
  const fault = code === undefined ? undefined : FAULTS[code];
  if (fault === undefined) return error;
  const where = path !== undefined && path !== dir ? ` (${path})` : '';
  return new Error(`The home ${dir} cannot be used: ${fault}${where}. Give another one with --home.`);
}

/** Only `apps` and `data` are for the account that runs jobs. */
function closeToOthers(dir: string): void {
  for (const entry of readdirSync(dir, { withFileTypes: true }))
    if (entry.isFile()) chmodSync(join(dir, entry.name), 0o600);
  mkdirSync(join(dir, 'keys'), { recursive: true, mode: 0o700 });
  chmodSync(join(dir, 'keys'), 0o700);
  for (const name of ['apps', 'data']) mkdirSync(join(dir, name), { recursive: true });
  chmodSync(join(dir, 'apps'), isRoot() ? 0o755 : 0o700);
  chmodSync(join(dir, 'data'), isRoot() ? 0o1777 : 0o700);
}

/**
 * Makes a master key, but only for a home without a database: sealed values can be read with the earlier key alone, and a
 * new key in its place would hide that the earlier one is lost. Keys that the environment gives are read by the programs.
 */
function makeKey(dir: string, env: NodeJS.ProcessEnv): void {
  const { KILIM_MASTER_KEY: key, KILIM_MASTER_KEY_FILE: given, DATABASE_URL: url } = env;
  if (key || given) return;
  const file = join(dir, 'keys', 'master.key');
  const database = url ? url.replace(/^sqlite:/, '') : join(dir, 'kilim.db');
  if (!existsSync(file)) {
    if (existsSync(database) && statSync(database).size > 0)
      throw new Error(
        `The master key ${file} is missing, and the database ${database} holds values that only it opens. ` +
          'Put it back, for example from a backup; nothing was changed.',
      );
    writeFileSync(file, `${randomBytes(32).toString('base64')}\n`, { mode: 0o600, flag: 'wx' });
  }
  chmodSync(file, 0o600);
}

const FIRST_PORT = 8080;

/** The ports of the last time where they are free: links and scripts stay good. */
async function ports(
  dir: string,
  port: number | undefined,
): Promise<Pick<Home, 'apiPort' | 'temporalPort' | 'uiPort' | 'metricsPort'>> {
  const file = join(dir, 'ports.json');
  const kept = keptPorts(file);
  const apiPort = port === undefined ? await freePort(kept.api ?? FIRST_PORT) : await exactPort(port);
  const temporalPort = await freePort(kept.temporal);
  const uiPort = await freePort(kept.ui, [temporalPort]);
  const metricsPort = await freePort(kept.metrics, [temporalPort, uiPort]);
  const now = { api: apiPort, temporal: temporalPort, ui: uiPort, metrics: metricsPort };
  writeFileSync(file, JSON.stringify(now), { mode: 0o600 });
  return { apiPort, temporalPort, uiPort, metricsPort };
}

/** A file that was cut off, as by a full disk, must not keep Kilim from starting: then other ports are chosen. */
function keptPorts(file: string): Partial<Record<'api' | 'temporal' | 'ui' | 'metrics', number>> {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as ReturnType<typeof keptPorts>;
  } catch {
    return {};
  }
}

/** The wanted port of loopback where it is free, else any that the kernel does not give to connections meanwhile. */
async function freePort(wanted?: number, taken: number[] = []): Promise<number> {
  for (let tries = 0; tries < 100; tries++) {
    const port = tries === 0 && wanted ? wanted : 20_000 + Math.floor(Math.random() * 12_000);
    if (!taken.includes(port) && (await tryPort(port)) !== null) return port;
  }
  throw new Error('There is no free port on loopback.');
}

async function exactPort(port: number): Promise<number> {
  const found = await tryPort(port);
  if (found === null) throw new Error(`The port ${port} cannot be had: something else listens there.`);
  return found;
}

const tryPort = (wanted: number): Promise<number | null> =>
  new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(null));
    probe.listen(wanted, '127.0.0.1', () => {
      const address = probe.address();
      probe.close(() => resolve(typeof address === 'object' && address ? address.port : null));
    });
  });

/** A sentence where jobs of this machine could not run: as root, their account must be able to reach the home. */
export function faultOfLocalRuns(dir: string): string | null {
  if (!isRoot()) return null;
  const id = spawnSync('id', ['-u', localUser()], { encoding: 'utf8' });
  if (id.status !== 0)
    return `The account ${localUser()} (KILIM_LOCAL_USER), which runs jobs of this machine, does not exist.`;
  const reach = spawnSync('test', ['-x', join(dir, 'data')], { uid: Number(id.stdout) });
  return reach.status === 0
    ? null
    : `The account ${localUser()}, which runs jobs of this machine, cannot reach ${dir}: give another --home, such as /var/lib/kilim.`;
}
