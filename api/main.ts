import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { pino } from 'pino';

import { createHosts } from '../hosts/hosts.js';
import { startWatchdog } from '../ops/watchdog.js';
import { masterKeys, parseConfig } from '../schemas/config.js';
import { hostLookups } from '../store/host-lookups.js';
import { openStore } from '../store/open-store.js';
import { createApp } from './app.js';
import { createEngine } from './engine.js';
import { createGuesses } from './identity/guesses.js';
import { createTokens } from './identity/tokens.js';
import { applySeed } from './seed.js';

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
  const log = pino({ level: config.LOG_LEVEL, base: { program: 'api' } }, pino.destination(2));
  const store = await openStore({
    url: config.DATABASE_URL,
    keys: masterKeys(config),
    mayMigrate: words.migrate ?? false,
  });
  const local = {
    isEnabled: config.KILIM_LOCAL_EXECUTION,
    runAs: config.KILIM_LOCAL_USER,
    home: join(config.KILIM_HOME, 'local'),
  };
  const hosts = createHosts({ ...hostLookups(store), local });
  const installation = await store.settings.init('installation', randomBytes(4).toString('hex'));
  const engine = createEngine(config, log);
  const identity = { tokens: await createTokens(store, config), guesses: createGuesses() };
  const deps = { config, store, hosts, engine, log, installation, ...identity };
  for (const file of words.seed ?? []) await applySeed(file, deps);

  const server = createApp(deps).listen(config.KILIM_PORT, config.KILIM_HOST, () =>
    log.info({ port: config.KILIM_PORT }, 'the API listens'),
  );
  server.keepAliveTimeout = 65_000;
  startWatchdog(); // what comes before, as bringing a large store up to date, may take long
  const stop = (): void => {
    log.info('the API drains');
    server.close(() => void Promise.allSettled([store.close(), engine.close()]).then(() => process.exit(0)));
    server.closeIdleConnections();
    setTimeout(() => process.exit(0), 10_000).unref();
  };
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
});
