import { appendFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';

import { Connection } from '@temporalio/client';
import { loadClientConnectConfig } from '@temporalio/envconfig';

import { pino } from 'pino';

import { writeAudit, type AuditLine } from '../api/audit.js';
import { hashPassword, whyWeak } from '../api/identity/passwords.js';
import { rotateSigningKey } from '../api/identity/signing-keys.js';
import { SEARCH_ATTRIBUTES } from '../domain/jobs/labels.js';
import { homeFolder } from '../launcher/home.js';
import { keysFrom, masterKeys, parseConfig, type Config } from '../schemas/config.js';
import { openStore } from '../store/open-store.js';
import type { Store } from '../store/store.js';
import type { User, UserStore } from '../store/user-store.js';
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
    await withStore(config, (store) => store.ping(), true);
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
    await withUsers(config, username, async (users, user) => {
      if (!user) throw new Error(`There is no user ${username} in the tenant ${config.KILIM_TENANT}.`);
      await users.put({ ...user, passwordHash: await hashPassword(password) });
    });
    say(`${username} has the new password, and all earlier tokens have ended.`);
  },
  async 'disable-user'(config, username = '') {
    const isThere = await withUsers(config, username, async (users, user) => {
      await users.disable(config.KILIM_TENANT, username);
      return user !== null;
    });
    say(
      isThere
        ? `${username} is disabled: log-ins and tokens are refused; running jobs go on.`
        : `The store has no user ${username}: from now on tokens of trusted issuers for this name are refused.`,
    );
  },
  async 'enable-user'(config, username = '') {
    await withUsers(config, username, (users) => users.enable(config.KILIM_TENANT, username));
    say(`${username} may log in again; earlier tokens stay invalid.`);
  },
  async 'revoke-tokens'(config, username = '') {
    await withUsers(config, username, (users) => users.endSessions(config.KILIM_TENANT, username));
    say(`All tokens of ${username} have ended; a new log-in gives others.`);
  },
  async 'rotate-signing-key'(config, ...words) {
    const isNow = words.includes('--now');
    const lifetimeSeconds = Math.max(config.KILIM_ACCESS_TOKEN_SECONDS, config.KILIM_REFRESH_TOKEN_SECONDS);
    const kid = await withStore(config, ({ settings }) =>
      rotateSigningKey(settings, config.KILIM_TENANT, { lifetimeSeconds, isNow }),
    );
    say(
      `New tokens are signed with the key ${kid}. ${isNow ? 'All earlier tokens have ended.' : 'Earlier tokens stay valid until they expire.'}`,
    );
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

/** Gives `work` the user of the store, or null for a user of a trusted issuer, who has a name but no row. */
const withUsers = <T>(
  config: Config,
  username: string,
  work: (users: UserStore, user: User | null) => Promise<T>,
): Promise<T> =>
  withStore(config, async ({ users }) => {
    if (username === '') throw new Error('The name of the user is empty.');
    return work(users, await users.find(config.KILIM_TENANT, username));
  });

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

/** Both `--days 30` and `--days=30` become the word 30. */
const optionValue = (word: string): string[] => (word === '--days' ? [] : [word.replace(/^--days=/, '')]);

const say = (text: string): void => void process.stderr.write(`[kilim] ${text}\n`);

/**
 * Writes the audit line of a command to the standard error, as the programs do with theirs, and also to audit.log of the
 * home, because the output of a command is not kept anywhere.
 */
function audit(config: Config, [operation = '', ...words]: string[], outcome: AuditLine['outcome']): void {
  if (operation === 'migrate') return; // every start does it, and it changes no user's rights
  const write = (line: string): void => {
    process.stderr.write(line);
    // a home that is to be restored must stay empty until that has worked
    if (operation === 'restore' && outcome !== 'ok') return;
    try {
      appendFileSync(join(config.KILIM_HOME, 'audit.log'), line, { mode: 0o600 });
    } catch (error) {
      say(`The audit line could not be kept: ${error instanceof Error ? error.message : String(error)}`);
    }
  };
  writeAudit(pino({ level: 'info', base: { program: 'cli' } }, { write }), {
    tenant: config.KILIM_TENANT,
    user: null,
    account: accountName(),
    from: 'this machine',
    operation,
    resource: words.join(' '),
    outcome,
  });
}

function accountName(): string {
  try {
    return userInfo().username;
  } catch {
    return String(process.getuid?.()); // an account without a name, as containers have
  }
}

try {
  const words = process.argv.slice(2).filter((word) => word !== '--'); // a user's name may begin with a dash
  const command = COMMANDS[words[0] ?? ''];
  if (!command) throw new Error(`The upkeep is one of ${Object.keys(COMMANDS).join(', ')}.`);
  const rest = words
    .slice(1)
    .flatMap((word) => (word.startsWith('--home=') ? ['--home', word.slice('--home='.length)] : [word]));
  const at = rest.indexOf('--home');
  // where no folder is named, the one that `kilim up` uses
  const KILIM_HOME = homeFolder(at < 0 ? undefined : rest.splice(at, 2)[1]);
  const config = parseConfig({ ...process.env, KILIM_HOME });
  try {
    await command(config, ...rest);
    audit(config, words, 'ok');
  } catch (error) {
    audit(config, words, 'failed');
    throw error;
  }
} catch (error) {
  say(error instanceof Error ? error.message : String(error));
  process.exit(1);
}
