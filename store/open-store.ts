import SqliteDatabase from 'better-sqlite3';
import {
  Kysely,
  PostgresDialect,
  SqliteAdapter,
  SqliteDialect,
  SqliteDriver,
  type DatabaseConnection,
  type TransactionSettings,
} from 'kysely';
import { CompiledQuery } from 'kysely';
import pg from 'pg';

import { KilimError } from '../domain/errors.js';
import { createAppStore } from './apps.js';
import type { Database, Db } from './database.js';
import { createGrantStore } from './grants.js';
import { createJobStore } from './jobs.js';
import { migrate } from './migrate.js';
import { createSeal } from './seal.js';
import type { Store } from './store.js';
import { createProfileStore, createSystemStore } from './systems.js';
import { createSettingStore, createUserStore } from './users.js';
import { createWatchStore } from './watch.js';

export interface StoreOptions {
  /** `sqlite:/path/to/file` or `postgres://…`. */
  url: string;
  /** 32 bytes each; the first seals, the others still open. */
  keys: Buffer[];
  /** Brings the schema up to date; else a wrong version refuses. */
  mayMigrate: boolean;
}

export async function openStore({ url, keys, mayMigrate }: StoreOptions): Promise<Store> {
  const isPostgres = /^postgres(ql)?:/.test(url);
  const db: Db = isPostgres ? openPostgres(url) : openSqlite(url.replace(/^sqlite:/, ''));
  const seal = createSeal(keys);
  await orUnavailable(migrate(db, isPostgres ? 'postgres' : 'sqlite', mayMigrate));
  const store: Store = {
    jobs: createJobStore(db, seal),
    watch: createWatchStore(db),
    systems: createSystemStore(db, seal),
    apps: createAppStore(db),
    profiles: createProfileStore(db),
    grants: createGrantStore(db),
    users: createUserStore(db),
    settings: createSettingStore(db, seal),
    ping: async () => void (await db.selectFrom('schema_version').select('version').execute()),
    close: () => db.destroy(),
  };
  return guarded(store);
}

function openPostgres(url: string): Db {
  const pool = new pg.Pool({ connectionString: url, max: 10, connectionTimeoutMillis: 5_000 });
  pool.on('error', () => undefined); // an idle connection that broke is replaced at its next use
  pg.types.setTypeParser(20, Number); // bigint: our counters stay far below 2^53
  return new Kysely<Database>({ dialect: new PostgresDialect({ pool }) });
}

function openSqlite(file: string): Db {
  const database = new SqliteDatabase(file, { timeout: 10_000 });
  database.pragma('journal_mode = wal');
  database.pragma('synchronous = full'); // a committed row is a promise
  // two programs write: a transaction takes the write lock at its begin, or waits there
  class ImmediateDriver extends SqliteDriver {
    override async beginTransaction(
      connection: DatabaseConnection,
      settings?: TransactionSettings,
    ): Promise<void> {
      void settings;
      await connection.executeQuery(CompiledQuery.raw('begin immediate'));
    }
  }
  class ImmediateDialect extends SqliteDialect {
    override createDriver(): ImmediateDriver {
      return new ImmediateDriver({ database });
    }
    override createAdapter(): SqliteAdapter {
      return new SqliteAdapter();
    }
  }
  return new Kysely<Database>({ dialect: new ImmediateDialect({ database }) });
}

const GONE =
  /ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENOENT|Connection terminated|connection timeout|terminating connection|the database system is|SQLITE_BUSY|database is locked|SQLITE_IOERR|SQLITE_FULL|SQLITE_CANTOPEN|Client has encountered/i;

const orUnavailable = <T>(promise: Promise<T>): Promise<T> =>
  promise.catch((error: unknown) => {
    const text =
      error instanceof Error ? `${(error as { code?: string }).code ?? ''} ${error.message}` : String(error);
    if (error instanceof KilimError || !GONE.test(text)) throw error;
    throw new KilimError('STORE_UNAVAILABLE', 'The store does not answer.', { cause: text });
  });

/** Every member of every part answers STORE_UNAVAILABLE where the database is away. */
function guarded(store: Store): Store {
  const guard = <T extends object>(part: T): T =>
    Object.fromEntries(
      Object.entries(part).map(([name, member]) => [
        name,
        typeof member === 'function'
          ? (...args: unknown[]) => orUnavailable((member as (...a: unknown[]) => Promise<unknown>)(...args))
          : guard(member as object),
      ]),
    ) as T;
  return guard(store);
}
