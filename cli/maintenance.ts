import { text } from 'node:stream/consumers';

import { Connection } from '@temporalio/client';
import { loadClientConnectConfig } from '@temporalio/envconfig';

import { hashPassword, whyWeak } from '../api/identity/passwords.js';
import { SEARCH_ATTRIBUTES } from '../domain/jobs/labels.js';
import { homeFolder } from '../launcher/home.js';
import { keysFrom, masterKeys, parseConfig, type Config } from '../schemas/config.js';
import { openStore } from '../store/open-store.js';
import type { Store } from '../store/store.js';
import { backup, restore } from './backup.js';
import { orphans } from './orphans.js';

// A program of its own, as api/main.ts and worker/main.ts are: the upkeep of an installation, without a server.

/** Temporal's IndexedValueType, which its packages do not export by name. */
const KEYWORD = 2;

/** Safe beside running programs; all but `restore` can be repeated. */
const COMMANDS: Record<string, (config: Config, ...words: string[]) => Promise<void>> = {
  backup: async (config, ...words) => say(await backup(config, words)),
  restore: async (config, ...words) => say(await restore(config, words)),
  async restored(config) {
    await withStore(config, (store) => store.orphans.markRestored());
    say('For a week, workers look at all hosts that ever had a job: see "kilim orphans list".');
  },
  async orphans(config, ...words) {
    const said = await withStore(config, (store) => orphans(store.orphans, words));
    if (words[0] === 'list') process.stdout.write(`${said}\n`);
    else say(said);
  },
  async migrate(config) {
    await withStore(config, () => Promise.resolve(), true);
    say('The store has the schema of this version.');
    const added = await registerSearchAttributes(config);
    say(
      added.length > 0
        ? `Temporal learned the search attributes ${added.join(', ')}.`
        : 'Temporal has the search attributes.',
    );
  },
  async 'rotate-keys'(config) {
    const count = await withStore(config, (store) => store.rotateSeals());
    say(`${count} values were sealed anew with the first key; the others can be removed.`);
  },
  async purge(config, ...words) {
    const word = words.flatMap(optionValue)[0] ?? '';
    const days = Number(word);
    if (word === '' || !Number.isInteger(days) || days < 1)
      throw new Error(`--days: "${word}" must be a whole number of days, at least 1.`);
    const { systems, applications, jobs } = await withStore(config, (store) => store.purge(days));
    say(`Removed: ${systems} systems, ${applications} versions of applications, ${jobs} jobs.`);
  },
  async 'set-password'(config, username = '') {
    // not on the command line, which others can read
    const password = (await text(process.stdin)).replace(/\r?\n$/, '');
    const weak = whyWeak(password, username);
    if (weak) throw new Error(`The password is weak: ${weak}. It is read from the standard input.`);
    await withStore(config, async ({ users }) => {
      const user = await users.find(config.KILIM_TENANT, username);
      if (!user) throw new Error(`There is no user ${username} in the tenant ${config.KILIM_TENANT}.`);
      await users.put({ ...user, passwordHash: await hashPassword(password) });
    });
    say(`${username} has the new password. Tokens of before stay until they expire.`);
  },
};

async function withStore<T>(
  config: Config,
  work: (store: Store) => Promise<T>,
  mayMigrate = false,
): Promise<T> {
  const [keys, from] = [masterKeys(config), keysFrom(config)];
  const store = await openStore({ url: config.DATABASE_URL, keys, keysFrom: from, mayMigrate });
  try {
    return await work(store);
  } finally {
    await store.close();
  }
}

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
  const words = process.argv
    .slice(3)
    .flatMap((word) => (word.startsWith('--home=') ? ['--home', word.slice('--home='.length)] : [word]));
  const at = words.indexOf('--home');
  // the folder of `kilim up`, where none is named
  const KILIM_HOME = homeFolder(at < 0 ? undefined : words.splice(at, 2)[1]);
  await command(parseConfig({ ...process.env, KILIM_HOME }), ...words);
} catch (error) {
  say(error instanceof Error ? error.message : String(error));
  process.exit(1);
}
