import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import type { Home } from './home.js';
import type { Program } from './supervise.js';

/** Measured settings of the embedded engine: without them every task waits up to 50 ms for its turn. */
const DYNAMIC = [
  'matching.numTaskqueueReadPartitions=1',
  'matching.numTaskqueueWritePartitions=1',
  'system.enableActivityEagerExecution=true',
  'history.transferProcessorMaxPollRPS=2000',
  'history.timerProcessorMaxPollRPS=500',
  'history.visibilityProcessorMaxPollRPS=50',
];
const SEARCH_ATTRIBUTES = [
  'JobStatus',
  'JobOwner',
  'JobTenant',
  'JobAppId',
  'ExecSystem',
  'RemoteJobId',
  'BlockedCode',
];
const ENGINE_VERSION = '1.29.1';

/** Temporal's dev server on a file; another engine version gets a new file, jobs are started again from their rows. */
export function engineProgram(home: Home, binary: string): Program {
  const database = join(home.dir, 'temporal.db');
  const stamp = join(home.dir, 'temporal.version');
  if (existsSync(database) && existsSync(stamp) && readFileSync(stamp, 'utf8') !== ENGINE_VERSION)
    renameSync(database, `${database}.old`);
  writeFileSync(stamp, ENGINE_VERSION);
  return {
    name: 'temporal',
    command: binary,
    args: [
      'server', 'start-dev', '--ip', '127.0.0.1', '--port', String(home.temporalPort), '--ui-port', String(home.uiPort),
      '--db-filename', database, '--log-level', 'error',
      '--sqlite-pragma', 'journal_mode=wal', '--sqlite-pragma', 'synchronous=normal',
      ...DYNAMIC.flatMap((setting) => ['--dynamic-config-value', setting]),
      ...SEARCH_ATTRIBUTES.flatMap((name) => ['--search-attribute', `${name}=Keyword`]),
    ],
    env: process.env,
    logFile: join(home.dir, 'temporal.log'),
  }; // prettier-ignore
}

export function nodeProgram(
  home: Home,
  name: 'api' | 'worker',
  args: string[],
  temporalAddress: string,
): Program {
  return {
    name,
    command: process.execPath,
    args: [new URL(`../${name}/main.js`, import.meta.url).pathname, ...args],
    env: {
      ...process.env,
      NODE_OPTIONS: process.env['NODE_OPTIONS'] ?? '--max-old-space-size=2048',
      KILIM_HOME: home.dir,
      KILIM_PORT: String(home.apiPort),
      KILIM_LOCAL_EXECUTION: process.env['KILIM_LOCAL_EXECUTION'] ?? 'true',
      TEMPORAL_ADDRESS: temporalAddress,
    },
    logFile: join(home.dir, `${name}.log`),
  };
}
