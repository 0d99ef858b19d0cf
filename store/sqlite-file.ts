import { accessSync, constants, existsSync } from 'node:fs';
import { dirname } from 'node:path';

import type SqliteDatabase from 'better-sqlite3';

import { KilimError } from '../domain/errors.js';
import { Sqlite } from './sqlite.js';

/** The path of an SQLite database; null for PostgreSQL. */
export const sqliteFile = (url: string): string | null =>
  /^postgres(ql)?:/.test(url) ? null : url.replace(/^sqlite:/, '');

const WAYS_OUT =
  'Stop every program that uses it, move the file and those beside it (-wal, -shm) away, and restore a backup into ' +
  'an empty home: kilim restore FILE';

/**
 * Copies a database that is in use, as it is at one moment: in one step, which a writer does not disturb. SQLite's own
 * backup also takes what is in the -wal file beside it, which a copy of the file alone would miss.
 * @throws KilimError CANNOT_START naming the file, where it is damaged, is no database or cannot be opened
 */
export async function copyDatabase(file: string, to: string): Promise<void> {
  let database: SqliteDatabase.Database | undefined;
  try {
    database = new Sqlite(file, { timeout: 10_000, fileMustExist: true });
    await database.backup(to, { progress: () => ALL_PAGES });
  } catch (error) {
    throw whyNotOpened(file, error) ?? error;
  } finally {
    database?.close();
  }
}

const ALL_PAGES = 0x7fffffff;

/**
 * Reads the whole file, which takes about half a second per gigabyte that is in memory. Every start does this, because a
 * copy that was made of a running database looks like a database that was closed well.
 * @throws KilimError CANNOT_START naming the file
 */
export function checkFile(database: SqliteDatabase.Database, file: string): void {
  const [first] = database.pragma('quick_check(1)') as { quick_check: string }[];
  if (first?.quick_check !== 'ok') throw damaged(file, first?.quick_check ?? 'it said nothing');
}

/** The error of opening a file as a sentence that names the file, where another try cannot help; null for every other error. */
export function whyNotOpened(file: string, error: unknown): KilimError | null {
  const code = (error as { code?: unknown }).code;
  if (code === 'SQLITE_NOTADB')
    return refused(`${file} is not an SQLite database, or its first bytes were overwritten. ${WAYS_OUT}`);
  if (typeof code === 'string' && code.startsWith('SQLITE_CORRUPT'))
    return damaged(file, error instanceof Error ? error.message : code);
  if (!existsSync(dirname(file)))
    return refused(`The folder of the database ${file} does not exist (DATABASE_URL, KILIM_HOME).`);
  const closed = [file, dirname(file)].find((path) => existsSync(path) && !isWritable(path));
  return closed === undefined
    ? null
    : refused(`The database ${file} cannot be used: ${closed} is not writable for this account.`);
}

const damaged = (file: string, said: string): KilimError =>
  refused(`The database ${file} is damaged (quick_check: ${said.replaceAll('\n', ' ')}). ${WAYS_OUT}`);

const refused = (sentence: string): KilimError => new KilimError('CANNOT_START', sentence);

function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK | constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
