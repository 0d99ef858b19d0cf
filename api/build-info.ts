import { existsSync, readFileSync } from 'node:fs';

/** What every answer says of the service (specification: jobs §1.1). */
interface BuildInfo {
  version: string;
  /** Short source revision. */
  commit: string;
  /** When it was built. */
  build: string;
}

/** Written by the build beside the programs; sources that run without one were never built. */
const file = new URL('../build.json', import.meta.url);

export const BUILD: BuildInfo = existsSync(file)
  ? (JSON.parse(readFileSync(file, 'utf8')) as BuildInfo)
  : { version: '0.0.0', commit: 'unknown', build: new Date().toISOString() };
