import { KilimError } from '../domain/errors.js';

/** Of the system's calls, of SQLite, of PostgreSQL (https://www.postgresql.org/docs/current/errcodes-appendix.html). */
const AWAY =
  /^(ECONN\w+|ETIMEDOUT|EPIPE|ENOTFOUND|EAI_AGAIN|EHOST\w+|ENETUNREACH|ENOENT|ENOSPC|EDQUOT|EMFILE|ENFILE|SQLITE_(BUSY|LOCKED|IOERR|FULL|CANTOPEN|READONLY|NOMEM|PROTOCOL)\w*|08\w{3}|53\w{3}|57P0\d|25006|40001|40P01)$/;
/** Errors of the drivers that have no code. */
const SAYS_AWAY =
  /Connection terminated|Query read timeout|is not queryable|timeout exceeded when trying to connect|Client has encountered a connection error|connection is not open|driver has already been destroyed|Cannot use a pool after calling end|Cannot open database/;

/** PostgreSQL refuses the login, or has no such database: another try gets the same answer. */
const REFUSED = /^(28\w{3}|3D000)$/;

/** A database that is away becomes STORE_UNAVAILABLE; one that refuses us CANNOT_START; every other error stays what it is. */
export async function orUnavailable<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof KilimError || !(error instanceof Error)) throw error;
    const { code } = error as { code?: unknown };
    if (typeof code === 'string' && REFUSED.test(code))
      throw new KilimError('CANNOT_START', `PostgreSQL refuses the connection: ${error.message}.`);
    if (!(typeof code === 'string' && AWAY.test(code)) && !SAYS_AWAY.test(error.message)) throw error;
    const cause = `${typeof code === 'string' ? code : ''} ${error.message}`.trim();
    throw new KilimError('STORE_UNAVAILABLE', 'The store does not answer.', { cause });
  }
}
