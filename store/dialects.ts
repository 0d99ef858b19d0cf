import type SqliteDatabase from 'better-sqlite3';
import {
  CompiledQuery,
  Kysely,
  PostgresAdapter,
  PostgresDialect,
  SqliteDialect,
  SqliteDriver,
  sql,
  type DatabaseConnection,
} from 'kysely';
import pg from 'pg';

import { KilimError } from '../domain/errors.js';
import type { Database, Db } from './database.js';
import { Sqlite } from './sqlite.js';
import { checkFile, sqliteFile, whyNotOpened } from './sqlite-file.js';

/**
 * @param url `sqlite:/path/to/file` or `postgres://…`
 * @param isChecked whether a whole SQLite file is read first, and a damaged file refused
 */
export function openDatabase(url: string, isChecked = false): Db {
  const file = sqliteFile(url);
  return file === null ? openPostgres(url) : openSqlite(file, isChecked);
}

export const isPostgres = (db: Kysely<Database>): boolean =>
  db.getExecutor().adapter instanceof PostgresAdapter;

/**
 * Holds the names until the transaction ends, so that what was counted stays true until it is written.
 * On SQLite a transaction has the whole file from its begin.
 */
export async function lock(trx: Kysely<Database>, names: string[]): Promise<void> {
  if (!isPostgres(trx)) return;
  // one order for all, so that no two transactions wait for each other
  for (const name of names.toSorted())
    await sql`select pg_advisory_xact_lock(hashtextextended(${name}, 815405))`.execute(trx);
}

/** Nothing that we ask takes so long: the server is frozen or the network swallows. `?query_timeout=` of the URL beats it. */
const SILENT_MS = 30_000;

function openPostgres(url: string): Db {
  const pool = new pg.Pool({
    connectionString: url,
    max: 10,
    connectionTimeoutMillis: 5_000,
    query_timeout: SILENT_MS,
    keepAlive: true,
  });
  pool.on('error', () => undefined); // an idle connection that broke is replaced at its next use
  pool.on('connect', (client) => {
    client.on('error', () => undefined); // of one in use the query's own failure tells
    giveUpSilent(client);
  });
  pg.types.setTypeParser(pg.types.builtins.INT8, Number); // our counters stay far below 2^53
  return new Kysely<Database>({ dialect: new PostgresDialect({ pool }) });
}

/** A connection that did not answer in time is not used again: the next question would wait behind the lost one. */
function giveUpSilent(client: pg.PoolClient): void {
  const ask = client.query.bind(client) as (...words: unknown[]) => Promise<unknown>;
  const query = async (...words: unknown[]): Promise<unknown> => {
    try {
      return await ask(...words);
    } catch (error) {
      if (error instanceof Error && error.message === 'Query read timeout') void client.end();
      throw error;
    }
  };
  Object.assign(client, { query });
}

/** Two programs write: a transaction takes the write lock at its begin, or waits there. */
class ImmediateDriver extends SqliteDriver {
  constructor(
    config: ConstructorParameters<typeof SqliteDriver>[0],
    private readonly isInTransaction: () => boolean,
  ) {
    super(config);
  }

  override async beginTransaction(connection: DatabaseConnection): Promise<void> {
    await connection.executeQuery(CompiledQuery.raw('begin immediate'));
  }

  /**
   * Where the disk is full or fails, SQLite has rolled back already; a second rollback would fail and hide the reason.
   */
  override async rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    if (this.isInTransaction()) await super.rollbackTransaction(connection);
  }
}

/** Each statement is compiled once; the few hundred that there are stay. */
function prepared(database: SqliteDatabase.Database): (text: string) => SqliteDatabase.Statement {
  const kept = new Map<string, SqliteDatabase.Statement>();
  return (text) => {
    const statement = kept.get(text) ?? database.prepare(text);
    // one with a list of hundreds of values comes once
    if (text.length < MAX_KEPT_TEXT && kept.size < MAX_KEPT) kept.set(text, statement);
    return statement;
  };
}

const MAX_KEPT = 500;
const MAX_KEPT_TEXT = 4_000;

function openFile(file: string, isChecked: boolean): SqliteDatabase.Database {
  let database: SqliteDatabase.Database | undefined;
  try {
    database = new Sqlite(file, { timeout: 10_000 });
    database.pragma('journal_mode = wal');
    database.pragma('synchronous = full'); // a committed row is a promise
    database.pragma('foreign_keys = on');
    if (isChecked) checkFile(database, file);
    return database;
  } catch (error) {
    database?.close();
    throw error instanceof KilimError ? error : (whyNotOpened(file, error) ?? error);
  }
}

function openSqlite(file: string, isChecked: boolean): Db {
  const database = openFile(file, isChecked);
  class ImmediateDialect extends SqliteDialect {
    override createDriver(): ImmediateDriver {
      return new ImmediateDriver(
        { database: { prepare: prepared(database), close: () => database.close() } },
        () => database.inTransaction,
      );
    }
  }
  return new Kysely<Database>({ dialect: new ImmediateDialect({ database }) });
}
