import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { SEARCH_ATTRIBUTES } from '../domain/jobs/labels.js';
import { isLoopback } from '../schemas/config.js';
import type { Home } from './home.js';
import type { Program } from './supervise.js';

/** Measured settings of the embedded engine: without them every task waits up to 50 ms for its turn. */
export const DYNAMIC = [
  'matching.numTaskqueueReadPartitions=1',
  'matching.numTaskqueueWritePartitions=1',
  'system.enableActivityEagerExecution=true',
  'matching.enableFairness=true',
  'history.transferProcessorMaxPollRPS=2000',
  'history.timerProcessorMaxPollRPS=500',
  'history.visibilityProcessorMaxPollRPS=50',
];
/** WAL with `normal` survives every crash of a process; after a power cut our idempotent steps repeat moments. */
const PRAGMAS = ['journal_mode=wal', 'synchronous=normal'];
/** Temporal's dev server on a file of the home. */
export function engineProgram(home: Home, binary: string): Program {
  return {
    name: 'temporal',
    command: binary,
    args: [
      ...[
        'server',
        'start-dev',
        '--ip',
        '127.0.0.1',
        '--port',
        String(home.temporalPort),
        '--ui-port',
        String(home.uiPort),
      ],
      ...['--db-filename', engineDatabase(home.dir, binary), '--log-level', 'error'],
      ...PRAGMAS.flatMap((setting) => ['--sqlite-pragma', setting]),
      ...DYNAMIC.flatMap((setting) => ['--dynamic-config-value', setting]),
      ...SEARCH_ATTRIBUTES.flatMap((name) => ['--search-attribute', `${name}=Keyword`]),
    ],
    env: process.env,
    logFile: join(home.dir, 'temporal.log'),
  };
}

/**
 * How the engine keeps its queues (`matching.enableFairness`): tasks that wait in queues without fairness are not found by
 * an engine with it, nor the other way round.
 */
const QUEUES = 'fair queues';

/**
 * Another version of the engine, or one that keeps its queues in another way, gets a new file: live jobs are started again
 * from their rows, and adopt what runs.
 */
export function engineDatabase(dir: string, binary: string): string {
  const database = join(dir, 'temporal.db');
  const stamp = join(dir, 'temporal.version');
  const version = engineVersion(binary, stamp);
  const [before = version, , queues] = existsSync(stamp) ? readFileSync(stamp, 'utf8').split('\n') : [];
  if (before !== version || queues !== QUEUES) {
    for (const part of ['', '-wal', '-shm']) {
      if (existsSync(database + part)) renameSync(database + part, `${database}.${before}${part}`);
    }
  }
  writeFileSync(stamp, `${version}\n${binaryStamp(binary)}\n${QUEUES}\n`, { mode: 0o600 });
  return database;
}

const binaryStamp = (binary: string): string =>
  `${binary} ${statSync(binary).size} ${statSync(binary).mtimeMs}`;

/** The version of the server inside the command line tool; a binary that was asked before is not asked again. */
function engineVersion(binary: string, stamp: string): string {
  const [version, known] = existsSync(stamp) ? readFileSync(stamp, 'utf8').split('\n') : [];
  if (version && known === binaryStamp(binary)) return version;
  const said = execFileSync(binary, ['--version'], { encoding: 'utf8', timeout: 20_000 });
  return /Server ([0-9][\w.-]*)/.exec(said)?.[1] ?? said.trim();
}

/** The API, the worker or the upkeep of this build; `env` wins over the environment we have. */
export function nodeProgram(
  home: Home,
  name: 'api' | 'worker' | 'migrate',
  args: string[],
  env: NodeJS.ProcessEnv,
): Program {
  const file = name === 'migrate' ? '../cli/maintenance.js' : `../${name}/main.js`;
  const given = { ...process.env, ...env };
  return {
    name,
    command: process.execPath,
    args: [new URL(file, import.meta.url).pathname, ...args],
    env: {
      NODE_OPTIONS: '--max-old-space-size=2048',
      // who lets others in must say so himself
      KILIM_LOCAL_EXECUTION: isLoopback(given['KILIM_HOST']) ? 'true' : 'false',
      KILIM_METRICS_PORT: String(home.metricsPort),
      ...process.env,
      KILIM_HOME: home.dir,
      KILIM_PORT: String(home.apiPort),
      ...env,
    },
    logFile: join(home.dir, `${name}.log`),
  };
}
