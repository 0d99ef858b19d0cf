import { randomBytes } from 'node:crypto';
import type { Server } from 'node:http';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { KilimError } from '../domain/errors.js';
import { startFault } from '../domain/start-fault.js';
import { createHosts } from '../hosts/hosts.js';
import { programLog } from '../ops/program-log.js';
import { startWatchdog } from '../ops/watchdog.js';
import { keysFrom, masterKeys, parseConfig, type Config } from '../schemas/config.js';
import { hostLookups } from '../store/host-lookups.js';
import { openStore } from '../store/open-store.js';
import { createEngine } from './engine.js';
import { createGuesses } from './identity/guesses.js';
import { createTokens } from './identity/tokens.js';
import { applySeed } from './seed.js';
import { serve } from './serve.js';

/**
 * The API program: `main.js [--migrate] [--seed FILE]…`; settings come from the environment alone. It refuses the schema of another
 * version, unless `--migrate` lets it bring an older one up to date, which is for an installation of one API.
 */
async function main(): Promise<void> {
  const { values: words } = parseArgs({
    options: { migrate: { type: 'boolean' }, seed: { type: 'string', multiple: true } },
    allowPositionals: true, // behind `kilim api`
  });
  const config = parseConfig(process.env);
  const { log, dropped } = programLog('api', config.LOG_LEVEL);
  const store = await openStore({
    url: config.DATABASE_URL,
    keys: masterKeys(config),
    keysFrom: keysFrom(config),
    mayMigrate: words.migrate ?? false,
    isChecked: true,
  });
  const local = {
    isEnabled: config.KILIM_LOCAL_EXECUTION,
    runAs: config.KILIM_LOCAL_USER,
    home: join(config.KILIM_HOME, 'local'),
  };
  const hosts = createHosts({
    ...hostLookups(store),
    local,
    limits: { waitMs: config.KILIM_TRANSFER_WAIT_SECONDS * 1000 },
    reach: { allowed: config.KILIM_ALLOWED_HOSTS ?? null, isTold: false },
  });
  const installation = await store.settings.init('installation', randomBytes(4).toString('hex'));
  const engine = createEngine(config, log);
  const identity = { tokens: await createTokens(store, config), guesses: createGuesses() };
  const deps = { config, store, hosts, engine, log, droppedLines: dropped, installation, ...identity };
  for (const file of words.seed ?? []) await applySeed(file, deps);

  const server = await listening(serve(deps), config);
  log.info({ port: config.KILIM_PORT }, 'the API listens');
  startWatchdog(); // only now, because the steps before, such as the migration of a large store, may take long
  const stop = (): void => {
    log.info('the API drains');
    server.close(() => void Promise.allSettled([store.close(), engine.close()]).then(() => process.exit(0)));
    server.closeIdleConnections();
    setTimeout(() => process.exit(0), 10_000).unref();
  };
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
}

/** @throws KilimError CANNOT_START where the address cannot be had */
function listening(server: Server, { KILIM_HOST: host, KILIM_PORT: port }: Config): Promise<Server> {
  return new Promise((resolve, reject) => {
    server.once('error', (error) => {
      const sentence = `The port ${port} of ${host} (KILIM_PORT, KILIM_HOST) cannot be had: ${error.message}.`;
      reject(new KilimError('CANNOT_START', sentence));
    });
    server.listen(port, host, () => resolve(server));
  });
}

main().catch((error: unknown) => {
  process.stderr.write(`${startFault(error)}\n`);
  process.exit(1);
});
