import { text } from 'node:stream/consumers';

import { Connection } from '@temporalio/client';
import { loadClientConnectConfig } from '@temporalio/envconfig';

import { hashPassword, whyWeak } from '../api/identity/passwords.js';
import { SEARCH_ATTRIBUTES } from '../domain/jobs/labels.js';
import { masterKeys, parseConfig, type Config } from '../schemas/config.js';
import { openStore } from '../store/open-store.js';

// A program of its own, as api/main.ts and worker/main.ts are: the upkeep of an installation, without a server.

/** Temporal's IndexedValueType, which its packages do not export by name. */
const KEYWORD = 2;

/** Safe to repeat, and beside running programs. */
const COMMANDS: Record<string, (config: Config, ...words: string[]) => Promise<void>> = {
  async migrate(config) {
    const store = await openStore({ url: config.DATABASE_URL, keys: masterKeys(config), mayMigrate: true });
    await store.close();
    say('The store has the schema of this version.');
    const added = await registerSearchAttributes(config);
    say(
      added.length > 0
        ? `Temporal learned the search attributes ${added.join(', ')}.`
        : 'Temporal has the search attributes.',
    );
  },
  async 'rotate-keys'(config) {
    const store = await openStore({ url: config.DATABASE_URL, keys: masterKeys(config), mayMigrate: false });
    const count = await store.rotateSeals();
    await store.close();
    say(`${count} values were sealed anew with the first key; the others can be removed.`);
  },
  async purge(config, word = '') {
    const days = Number(word);
    if (word === '' || !Number.isInteger(days) || days < 1)
      throw new Error(`--days: "${word}" must be a whole number of days, at least 1.`);
    const store = await openStore({ url: config.DATABASE_URL, keys: masterKeys(config), mayMigrate: false });
    const { systems, applications, jobs } = await store.purge(days);
    await store.close();
    say(`Removed: ${systems} systems, ${applications} versions of applications, ${jobs} jobs.`);
  },
  async 'set-password'(config, username = '') {
    // not on the command line, which others can read
    const password = (await text(process.stdin)).replace(/\r?\n$/, '');
    const weak = whyWeak(password, username);
    if (weak) throw new Error(`The password is weak: ${weak}. It is read from the standard input.`);
    const store = await openStore({ url: config.DATABASE_URL, keys: masterKeys(config), mayMigrate: false });
    try {
      const user = await store.users.find(config.KILIM_TENANT, username);
      if (!user) throw new Error(`There is no user ${username} in the tenant ${config.KILIM_TENANT}.`);
      await store.users.put({ ...user, passwordHash: await hashPassword(password) });
    } finally {
      await store.close();
    }
    say(`${username} has the new password. Tokens of before stay until they expire.`);
  },
};

async function registerSearchAttributes(config: Config): Promise<string[]> {
  const namespace = config.TEMPORAL_NAMESPACE;
  const { connectionOptions } = loadClientConnectConfig();
  const connection = await Connection.connect({ ...connectionOptions, address: config.TEMPORAL_ADDRESS });
  try {
    const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace });
    const missing = SEARCH_ATTRIBUTES.filter((name) => !(name in customAttributes));
    if (missing.length > 0) {
      const searchAttributes = Object.fromEntries(missing.map((name) => [name, KEYWORD]));
      await connection.operatorService.addSearchAttributes({ namespace, searchAttributes });
    }
    return missing;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new Error(
      `The search attributes ${SEARCH_ATTRIBUTES.join(', ')}, all of type Keyword, could not be registered in the ` +
        `namespace ${namespace} (${why}). Where the service forbids it, as Temporal Cloud does, add them with its own tool.`,
    );
  } finally {
    await connection.close();
  }
}

/** `--days 30` and `--days=30` are the word 30. */
const optionValue = (word: string): string[] => (word === '--days' ? [] : [word.replace(/^--days=/, '')]);

const say = (text: string): void => void process.stderr.write(`[kilim] ${text}\n`);

try {
  const command = COMMANDS[process.argv[2] ?? ''];
  if (!command) throw new Error(`The upkeep is one of ${Object.keys(COMMANDS).join(', ')}.`);
  await command(parseConfig(process.env), ...process.argv.slice(3).flatMap(optionValue));
} catch (error) {
  say(error instanceof Error ? error.message : String(error));
  process.exit(1);
}
