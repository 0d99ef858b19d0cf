import { KilimError } from '../domain/errors.js';

export interface Part {
  offset: number;
  length: number;
  /** RFC 9110 (answered with 206), not the official clients' own `MIN,MAX`. */
  isStandard: boolean;
}

/** The slice that a `range` header asks for; what cannot be read is ignored (specification: platform §5.4). */
export function partOf(header: string | undefined, size: number): Part | null {
  const own = /^\s*(\d+)\s*,\s*(\d+)\s*$/.exec(header ?? '');
  if (own) return slice(Number(own[1]), Number(own[2]), size, false);
  const standard = /^bytes=(\d*)-(\d*)$/.exec(header ?? '');
  if (!standard || (standard[1] === '' && standard[2] === '')) return null;
  if (standard[1] === '') return slice(Math.max(0, size - Number(standard[2])), size - 1, size, true);
  return slice(Number(standard[1]), standard[2] === '' ? size - 1 : Number(standard[2]), size, true);
}

function slice(first: number, last: number, size: number, isStandard: boolean): Part {
  const end = Math.min(last, size - 1);
  if (isStandard && (first >= size || end < first))
    throw new KilimError('RANGE_NOT_SATISFIABLE', `The range does not lie within ${size} bytes.`);
  return { offset: first, length: Math.max(0, end - first + 1), isStandard };
}
