import { createAppStore } from './apps.js';
import type { Db } from './database.js';
import { openDatabase } from './dialects.js';
import { openReader } from './reader.js';
import { createGrantStore } from './grants.js';
import { createJobStore } from './jobs.js';
import { migrate } from './migrate.js';
import { createOrphanStore } from './orphans.js';
import { rotateSeals } from './rotate-seals.js';
import { refuseWrongKeys } from './wrong-keys.js';
import { createSeal } from './seal.js';
import { createSettingStore } from './settings.js';
import type { Store } from './store.js';
import { purge } from './purge.js';
import { createProfileStore, createSystemStore } from './systems.js';
import { orUnavailable } from './unavailable.js';
import { createUserStore } from './users.js';
import { createWatchStore } from './watch.js';

export interface StoreOptions {
  /** `sqlite:/path/to/file` or `postgres://…`. */
  url: string;
  /** 32 bytes each; the first seals, the others still open. */
  keys: Buffer[];
  /** Where the keys were read, for the message that refuses wrong keys. */
  keysFrom?: string;
  /** Brings the schema up to date; else a wrong version refuses. */
  mayMigrate: boolean;
  /** Whether a whole SQLite file is read first, and a damaged file refused; programs do this at their start. */
  isChecked?: boolean;
}

/**
 * @throws KilimError STORE_UNAVAILABLE where the database is away; CANNOT_START where it is damaged, has the schema of
 * another version, refuses the login, or holds values that none of the keys opens
 */
export async function openStore(options: StoreOptions): Promise<Store> {
  const { url, keys, keysFrom = 'the master key', mayMigrate, isChecked } = options;
  const seal = createSeal(keys);
  const db: Db = await orUnavailable(async () => Promise.resolve(openDatabase(url, isChecked)), true);
  try {
    await orUnavailable(() => migrate(db, mayMigrate), true);
    await orUnavailable(() => refuseWrongKeys(db, seal, keysFrom), true);
  } catch (error) {
    await db.destroy(); // a refused program must be able to end
    throw error;
  }
  const reader = openReader(url, db);
  return guarded({
    jobs: createJobStore(db, reader, seal),
    watch: createWatchStore(db),
    systems: createSystemStore(db, reader, seal),
    apps: createAppStore(db, reader),
    profiles: createProfileStore(db, reader),
    grants: createGrantStore(db),
    users: createUserStore(db),
    settings: createSettingStore(db, seal),
    orphans: createOrphanStore(db),
    ping: async () => void (await db.selectFrom('schema_version').select('version').execute()),
    purge: (days) => purge(db, days),
    rotateSeals: () => rotateSeals(db, seal),
    close: async () => {
      await reader.destroy();
      await db.destroy();
    },
  });
}

/** Every member of every part answers STORE_UNAVAILABLE where the database is away. */
function guarded(store: Store): Store {
  const guard = <T extends object>(part: T): T =>
    Object.fromEntries(
      Object.entries(part).map(([name, member]) => [
        name,
        typeof member === 'function'
          ? (...args: unknown[]) =>
              orUnavailable(() => (member as (...a: unknown[]) => Promise<unknown>)(...args))
          : guard(member as object),
      ]),
    ) as T;
  return guard(store);
}
