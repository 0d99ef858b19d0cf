import { normalizeFound } from '../domain/files/path.js';
import { quote } from '../domain/shell.js';
import type { Host } from './host.js';
import { oddNameOf } from './odd-bytes.js';
import { absolute } from './rooted.js';

/** Of the names that a path has, those that may stand for a name that is not UTF-8. */
const MOST_ODD = 64;

/**
 * The path that a user means. A name in it may be the form in which the API shows one that is not UTF-8 (`caf%E9`): it is
 * that one where nothing has the very name that the user wrote. The host is asked only where there is such a name.
 */
export async function foundPath(host: Host, rootDir: string, path: string): Promise<string> {
  const names = normalizeFound(path).split('/');
  const others = names.map(oddNameOf);
  const asked = others.filter((other) => other !== null).length;
  if (asked === 0 || asked > MOST_ODD) return path;
  const isOther = await host.run({
    line: [
      `at=${quote(absolute(rootDir, ''))}; at=\${at%/}`,
      'isThere() { [ -e "$1" ] || [ -L "$1" ]; }',
      'step() { at=$at/$1; }',
      'choose() { if ! isThere "$at/$1" && isThere "$at/$2"; then step "$2"; printf 1; else step "$1"; printf 0; fi; }',
      ...names.map((name, i) => {
        const other = others[i] ?? null;
        return other === null ? `step ${quote(name)}` : `choose ${quote(name)} ${quote(other)}`;
      }),
    ].join('\n'),
    parse: ({ stdout }) => Array.from(stdout, (sign) => sign === '1'),
  });
  return names.map((name, i) => (others[i] != null && isOther.shift() ? others[i] : name)).join('/');
}

/** So many names of the path as `prefix` has: a right to the path that was asked for is one to the path that was found. */
export const foundPrefix = (found: string, prefix: string): string => {
  const depth = normalizeFound(prefix).split('/').filter(Boolean).length;
  return normalizeFound(found).split('/').slice(0, depth).join('/');
};
