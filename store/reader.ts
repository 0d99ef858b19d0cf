import { Worker } from 'node:worker_threads';

import {
  Kysely,
  SqliteDialect,
  type CompiledQuery,
  type DatabaseConnection,
  type Driver,
  type QueryResult,
} from 'kysely';

import { KilimError } from '../domain/errors.js';
import type { Database, Db } from './database.js';
import { sqliteLibrary } from './sqlite.js';
import { sqliteFile } from './sqlite-file.js';

/** A list that takes longer is refused, because its search asks too much of the database. */
const SLOW_MS = 10_000;

/**
 * The database for lists and searches. SQLite answers in the thread that asks, where a search of many rows would hold up
 * every other request. So the reader has its own thread with a read-only connection. PostgreSQL is another process anyway.
 */
export function openReader(url: string, db: Db, slowMs = SLOW_MS): Db {
  const file = sqliteFile(url);
  if (file === null) return db;
  const createDriver = (): Driver => new ThreadDriver(file, slowMs);
  class ThreadDialect extends SqliteDialect {
    override createDriver = createDriver;
  }
  return new Kysely<Database>({
    dialect: new ThreadDialect({ database: () => Promise.reject(new Error('unused')) }),
  });
}

/** The program of the thread. It is JavaScript in a text, because a thread cannot load the TypeScript of the sources. */
const THREAD = `
const { parentPort, workerData } = require('node:worker_threads');
const Library = require(workerData.library);
const database = new (Library.default ?? Library)(workerData.file, { readonly: true, timeout: 10000 });
parentPort.on('message', ({ id, text, values }) => {
  try {
    parentPort.postMessage({ id, rows: database.prepare(text).all(...values) });
  } catch (error) {
    parentPort.postMessage({ id, fault: { message: error.message, code: error.code } });
  }
});
`;

interface Question {
  text: string;
  values: readonly unknown[];
  resolve: (rows: unknown[]) => void;
  reject: (error: Error) => void;
}

interface Reply {
  id: number;
  rows?: unknown[];
  fault?: { message: string; code?: string };
}

class ThreadDriver implements Driver {
  #thread: Worker | null = null;
  #waiting: Question[] = [];
  /** The one query that the thread has: its time is counted from here on, not from when it was asked. */
  #running: { id: number; question: Question; timer: NodeJS.Timeout } | null = null;
  #last = 0;

  constructor(
    private readonly file: string,
    private readonly slowMs: number,
  ) {}

  init = (): Promise<void> => Promise.resolve();
  acquireConnection = (): Promise<DatabaseConnection> =>
    Promise.resolve({
      executeQuery: <R>(query: CompiledQuery) => this.#ask<R>(query),
      streamQuery: () => {
        throw new Error('The reader does not stream.');
      },
    });
  beginTransaction = (): Promise<void> => Promise.reject(new Error('The reader has no transactions.'));
  commitTransaction = this.beginTransaction;
  rollbackTransaction = this.beginTransaction;
  releaseConnection = (): Promise<void> => Promise.resolve();
  destroy = async (): Promise<void> => void (await this.#drop('The store was closed.')?.terminate());

  #ask<R>({ sql: text, parameters: values }: CompiledQuery): Promise<QueryResult<R>> {
    return new Promise<unknown[]>((resolve, reject) => {
      this.#waiting.push({ text, values, resolve, reject });
      this.#next();
    }).then((rows) => ({ rows: rows as R[] }));
  }

  #next(): void {
    const question = this.#running ? undefined : this.#waiting.shift();
    if (!question) return;
    const id = ++this.#last;
    const timer = setTimeout(() => this.#giveUp(), this.slowMs);
    this.#running = { id, question, timer };
    this.#thread ??= this.#start();
    this.#thread.postMessage({ id, text: question.text, values: question.values });
  }

  /** The question under way, which has its answer or is given up. */
  #done(): Question | undefined {
    const { question, timer } = this.#running ?? {};
    clearTimeout(timer);
    this.#running = null;
    return question;
  }

  #start(): Worker {
    const thread = new Worker(THREAD, {
      eval: true,
      workerData: { file: this.file, library: sqliteLibrary },
    });
    thread.unref();
    thread.on('message', ({ id, rows, fault }: Reply) => {
      if (this.#running?.id !== id) return;
      const question = this.#done();
      if (rows) question?.resolve(rows);
      else question?.reject(Object.assign(new Error(fault?.message), { code: fault?.code }));
      this.#next();
    });
    // the next query starts a thread in place of one that ended or could not open the database
    thread.on('error', (error) => {
      if (this.#thread === thread) void this.#drop(error instanceof Error ? error.message : String(error));
    });
    thread.on('exit', () => {
      if (this.#thread === thread) void this.#drop('The reading thread ended.');
    });
    return thread;
  }

  /** A thread that is inside SQLite stops only when its query is done, so a new thread answers the other queries. */
  #giveUp(): void {
    void this.#thread?.terminate();
    this.#thread = null;
    this.#done()?.reject(
      new KilimError('INVALID_REQUEST', `The list takes longer than ${this.slowMs / 1000} s; ask for less.`),
    );
    this.#next();
  }

  #drop(why: string): Worker | null {
    const thread = this.#thread;
    this.#thread = null;
    const all = [this.#done(), ...this.#waiting.splice(0)];
    for (const question of all)
      question?.reject(new KilimError('STORE_UNAVAILABLE', 'The store does not answer.', { cause: why }));
    return thread;
  }
}
