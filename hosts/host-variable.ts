import { KilimError } from '../domain/errors.js';
import { normalizePath } from '../domain/files/path.js';
import { parseHostEval } from '../domain/macros.js';
import type { Host } from './host.js';

/** What a login shell of the host says: many sites set such variables only there. Null where it is not set. */
export const hostVariable = (host: Host, variable: string): Promise<string | null> =>
  host.run({
    line: `bash -lc 'echo; echo "KILIM:$${variable}"' 2>/dev/null`.replace('$$', '$'),
    timeoutSeconds: 10,
    // start-up files may print: only our own line counts
    parse: ({ stdout }) =>
      stdout
        .split('\n')
        .filter((line) => line.startsWith('KILIM:'))
        .at(-1)
        ?.slice(6)
        .trim() || null,
  });

/**
 * The rootDir of a system on its host; one with HOST_EVAL is asked for (specification: platform §5.1).
 * @throws KilimError INVALID_REQUEST where the host has no such variable; HOST_*
 */
export async function rootOn(host: Host, { id, rootDir }: { id: string; rootDir: string }): Promise<string> {
  const asked = parseHostEval(rootDir);
  if (!asked) return rootDir;
  const said = (await hostVariable(host, asked.variable)) ?? asked.fallback;
  if (!said)
    throw new KilimError(
      'INVALID_REQUEST',
      `rootDir: the variable ${asked.variable} of ${rootDir} is not set on the system ${id}`,
    );
  return `/${normalizePath(said + asked.suffix)}`;
}
