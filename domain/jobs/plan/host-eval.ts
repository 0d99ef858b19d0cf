import { withoutEndSlashes } from '../../files/path.js';
import { parseHostEval, resolveMacros, type MacroValues } from '../../macros.js';
import type { System } from '../../systems/system.js';
import { hasControl, hasTraversal } from './characters.js';
import type { PlanInput } from './plan-input.js';

/** What a path's text is resolved with. */
export interface Values {
  hostEvals: PlanInput['hostEvals'];
  macros: MacroValues;
}

/**
 * A path with HOST_EVAL and macros resolved strictly (specification: jobs §3.2); not normalised. What the host says is
 * absolute there; where it lies below the system's rootDir it becomes relative to it.
 * @throws Error with the rule that is broken
 */
export function resolvePath(
  text: string,
  system: Pick<System, 'id' | 'rootDir'>,
  { hostEvals, macros }: Values,
): string {
  refuseBadPath(text);
  const asked = parseHostEval(text);
  if (!asked) return checked(resolveMacros(text, macros));
  const said = hostEvals[`${system.id}:${asked.variable}`]?.trim() || asked.fallback;
  if (!said)
    throw new Error(
      `needs the variable ${asked.variable}, which is not set on ${system.id}, and HOST_EVAL has no default`,
    );
  const resolved = checked(resolveMacros(said + asked.suffix, macros));
  const root = withoutEndSlashes(system.rootDir);
  const isBelow = root !== '' && `${resolved}/`.startsWith(`${root}/`);
  return isBelow ? resolved.slice(root.length) : resolved;
}

const checked = (path: string): string => {
  refuseBadPath(path);
  return path;
};

function refuseBadPath(path: string): void {
  if (hasControl(path)) throw new Error('contains a control character');
  if (hasTraversal(path)) throw new Error('may not contain ..');
}
