import { createRequire } from 'node:module';

import type SqliteDatabase from 'better-sqlite3';

const require = createRequire(import.meta.url);
/** Node 22.14 and later; what is built for another one crashes the process. */
const HAS_NODE_API_10 = Number(process.versions['napi']) >= 10;

/**
 * One library in two versions, with the same members. 12 as it is compiled from Node 24.19 on ends the process when a
 * statement is collected (nodejs/node#65446); 13 needs Node-API 10, which Node 20 does not have. npm leaves 13 out where
 * there is no `make`: there 12 came ready-made, which does no harm.
 */
const { library, path } = load();
export const Sqlite = library;
/** The path of the library, for a thread that must load it again. */
export const sqliteLibrary = path;

function load(): { library: typeof SqliteDatabase; path: string } {
  for (const name of [...(HAS_NODE_API_10 ? ['better-sqlite3-node-api'] : []), 'better-sqlite3']) {
    try {
      return { library: require(name) as typeof SqliteDatabase, path: require.resolve(name) };
    } catch (error) {
      if (name === 'better-sqlite3') throw error;
    }
  }
  throw new Error('unreachable');
}
