import { KilimError } from '../domain/errors.js';

/** Of the system's calls, of SQLite, of PostgreSQL (https://www.postgresql.org/docs/current/errcodes-appendix.html). */
const AWAY =
  /^(ECONN\w+|ETIMEDOUT|EPIPE|ENOTFOUND|EAI_AGAIN|EHOST\w+|ENETUNREACH|ENOENT|ENOSPC|EDQUOT|EMFILE|ENFILE|SQLITE_(BUSY|LOCKED|IOERR|FULL|CANTOPEN|READONLY|NOMEM|PROTOCOL)\w*|08\w{3}|53\w{3}|57P0\d|25006|40001|40P01)$/;
/** Errors of the drivers that have no code. */
const SAYS_AWAY =
  /Connection terminated|Query read timeout|is not queryable|timeout exceeded when trying to connect|Client has encountered a connection error|connection is not open|driver has already been destroyed|Cannot use a pool after calling end|Cannot open database/;

/** PostgreSQL refuses the login, or has no such database: another start of the program would get the same answer. */
const REFUSED = /^(28\w{3}|3D000)$/;

/**
 * Turns the error of a database that is away into STORE_UNAVAILABLE; every other error stays what it is.
 * @param isStart a program is starting: a refused login is then CANNOT_START. Later the same answer may pass, as while an
 * operator changes the password, and must not end the jobs that meet it.
 */
export async function orUnavailable<T>(work: () => Promise<T>, isStart = false): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof KilimError || !(error instanceof Error)) throw error;
    const { code } = error as { code?: unknown };
    const isRefused = typeof code === 'string' && REFUSED.test(code);
    if (isRefused && isStart)
      throw new KilimError('CANNOT_START', `PostgreSQL refuses the connection: ${error.message}.`);
    const isAway =
      isRefused || (typeof code === 'string' && AWAY.test(code)) || SAYS_AWAY.test(error.message);
    if (!isAway) throw error;
    const cause = `${typeof code === 'string' ? code : ''} ${error.message}`.trim();
    throw new KilimError('STORE_UNAVAILABLE', 'The store does not answer.', { cause });
  }
}
