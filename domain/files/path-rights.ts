import type { System } from '../systems/system.js';
import { shownPath } from './odd-names.js';
import { normalizeFound } from './path.js';

/** A path of a system that somebody wants to use: a caller, a job's owner, or the grantor of a shared application. */
export interface PathUse {
  system: Pick<System, 'id' | 'owner'>;
  user: string;
  isAdmin: boolean;
  path: string;
  level: 'READ' | 'MODIFY';
}

/**
 * The resource that a right to a path is one to. It is text: a right to `caf%E9` is one to what is called so and to the name that
 * is shown so, because the path of a right need not exist.
 */
export const filesResource = (systemId: string, path: string): string =>
  `files:${systemId}:${shownPath(normalizeFound(path))}`;

/** What the user holds of a resource, as `system:<id>` or `files:<id>:<path>`. */
type Held = (resource: string) => Promise<string[]>;

/**
 * The path that was granted to the user and that no link may lead out of: `''`, which is all of the system, for its owner
 * and for administrators; null where he may not use the path (specification: platform §5.8).
 */
export async function fenceOf(use: PathUse, held: Held): Promise<string | null> {
  const { system, user, isAdmin, path, level } = use;
  if (isAdmin || system.owner === user) return '';
  if (!holds(await held(`system:${system.id}`), 'READ')) return null;
  for (const above of pathAndAbove(path)) {
    if (holds(await held(filesResource(system.id, above)), level)) return above;
  }
  return null;
}

const holds = (levels: readonly string[], level: 'READ' | 'MODIFY'): boolean =>
  levels.includes(level) || (level === 'READ' && levels.includes('MODIFY'));

/**
 * The path and all paths above it, the outermost first: a user that may write to an outer path can replace an inner path by
 * a link, so that only the outermost granted path is a fence.
 */
const pathAndAbove = (path: string): string[] => {
  const segments = normalizeFound(path).split('/').filter(Boolean);
  return ['', ...segments.map((_, i) => segments.slice(0, i + 1).join('/'))];
};
