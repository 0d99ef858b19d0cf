import { KilimError } from '../errors.js';
import { getAttribute, type AttributeTable } from './attributes.js';

export interface Order {
  /** camelCase, as on the wire. */
  attribute: string;
  direction: 'asc' | 'desc';
}

/**
 * `attr`, `attr(asc)` or `attr(desc)`, comma-separated; camelCase or snake_case (specification: jobs §1.5).
 * @throws KilimError INVALID_REQUEST for an unknown attribute, or one that has no order
 */
export function parseOrderBy(text: string | null | undefined, table: AttributeTable): Order[] {
  if (!text?.trim()) return [];
  const orders = text.split(',').map((part): Order => {
    const [, written, direction = 'asc'] =
      /^([^\s()]+)(?:\s*\(\s*(asc|desc)\s*\))?$/i.exec(part.trim()) ?? [];
    if (!written)
      throw new KilimError(
        'INVALID_REQUEST',
        `orderBy: "${part}" must read attribute(asc) or attribute(desc)`,
      );
    const { name, kind } = getAttribute(table, written, 'orderBy');
    if (kind === 'array' || kind === 'document')
      throw new KilimError('INVALID_REQUEST', `orderBy: ${name} has no order`);
    return { attribute: name, direction: direction.toLowerCase() === 'desc' ? 'desc' : 'asc' };
  });
  const seen = new Set<string>(); // the first order of each attribute counts
  return orders.filter(({ attribute }) => !seen.has(attribute) && seen.add(attribute));
}
