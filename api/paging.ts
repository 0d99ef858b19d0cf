import { KilimError } from '../domain/errors.js';
import type { AttributeTable } from '../domain/search/attributes.js';
import { parseOrderBy, type Order } from '../domain/search/order.js';
import type { Call } from './route.js';

export interface Paging {
  limit: number;
  skip: number;
  orderBy: Order[];
  /** A value of the first attribute of `orderBy`; what comes behind it is listed. */
  startAfter: string | null;
  computeTotal: boolean;
}

export const integer = (name: string, text: string | undefined, otherwise: number): number => {
  if (text === undefined || text === '') return otherwise;
  if (!/^-?\d{1,9}$/.test(text))
    throw new KilimError('INVALID_REQUEST', `${name}: "${text}" is not an integer`);
  return Number(text);
};

/** Python clients send True and False. */
export const flag = (name: string, text: string | undefined): boolean => {
  if (text === undefined || text === '' || /^false$/i.test(text)) return false;
  if (/^true$/i.test(text)) return true;
  throw new KilimError('INVALID_REQUEST', `${name}: "${text}" is neither true nor false`);
};

/**
 * The list parameters of jobs, systems and applications (specification: platform §8.4, jobs §1.5).
 * @param table what can be ordered by; without one the order is given
 */
export function pagingOf({ query }: Pick<Call, 'query'>, table?: AttributeTable): Paging {
  return {
    limit: integer('limit', query['limit'], 100),
    skip: Math.max(0, integer('skip', query['skip'], 0)),
    orderBy: table ? parseOrderBy(query['orderBy'], table) : [],
    startAfter: query['startAfter'] || null,
    computeTotal: flag('computeTotal', query['computeTotal']),
  };
}

export const listMetadata = (
  { query }: Pick<Call, 'query'>,
  paging: Paging,
  count: number,
  total: number,
): Record<string, unknown> => ({
  recordCount: count,
  recordLimit: paging.limit,
  recordsSkipped: paging.skip,
  orderBy: query['orderBy'] ?? null,
  startAfter: query['startAfter'] ?? null,
  totalCount: paging.computeTotal ? total : -1,
});

/** Chosen members of a record; `id` always stays (platform §8.4). */
export const selected = (
  record: Record<string, unknown>,
  select: string | undefined,
  summary: readonly string[],
): Record<string, unknown> => {
  const wanted = new Set((select ?? 'summaryAttributes').split(',').map((name) => name.trim()));
  if (wanted.has('allAttributes')) return record;
  const names = new Set([...(wanted.has('summaryAttributes') ? summary : []), ...wanted, 'id']);
  return Object.fromEntries(Object.entries(record).filter(([name]) => names.has(name)));
};

const MAX_RECORDS = 10_000;

/** Sorts and cuts a list that is small enough to be at hand; ties by id (platform §8.4). */
export function pageOf<T extends Record<string, unknown>>(records: T[], paging: Paging): T[] {
  const { orderBy, skip, limit } = paging;
  const sorted = records.toSorted((a, b) => {
    for (const { attribute, direction } of [...orderBy, { attribute: 'id', direction: 'asc' as const }]) {
      const order = compare(a[attribute], b[attribute]);
      if (order !== 0) return direction === 'asc' ? order : -order;
    }
    return 0;
  });
  return behind(sorted, paging).slice(skip, skip + (limit <= 0 ? MAX_RECORDS : Math.min(limit, MAX_RECORDS)));
}

/** Those behind the value of `startAfter`, which needs an order and excludes `skip` (platform §8.4). */
function behind<T extends Record<string, unknown>>(sorted: T[], { startAfter, orderBy, skip }: Paging): T[] {
  if (startAfter === null) return sorted;
  const [first] = orderBy;
  if (!first || skip > 0)
    throw new KilimError('INVALID_REQUEST', `startAfter: ${first ? 'excludes skip' : 'needs orderBy'}`);
  return sorted.filter((record) => {
    const value = record[first.attribute];
    const order =
      typeof value === 'number'
        ? compare(value, Number(startAfter))
        : compare(typeof value === 'string' ? value : JSON.stringify(value ?? null), startAfter);
    return first.direction === 'asc' ? order > 0 : order < 0;
  });
}

const compare = (a: unknown, b: unknown): number => {
  if (a === b) return 0;
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  const [left, right] = [a, b].map((value) =>
    typeof value === 'string' ? value : JSON.stringify(value ?? ''),
  );
  return (left ?? '') < (right ?? '') ? -1 : 1;
};

/** One of the words, in any case; the first is the default. */
export function oneOf<T extends string>(
  name: string,
  text: string | undefined,
  words: readonly [T, ...T[]],
): T {
  const found = words.find((word) => word === (text ?? words[0]).toUpperCase());
  if (!found)
    throw new KilimError('INVALID_REQUEST', `${name}: "${text ?? ''}" must be one of ${words.join(', ')}`);
  return found;
}

/** The body of a change, before it is merged with what stands. */
export function bodyObject(body: unknown): Record<string, unknown> {
  if (body === null || typeof body !== 'object' || Array.isArray(body))
    throw new KilimError('INVALID_REQUEST', 'body: must be a JSON object');
  return body as Record<string, unknown>;
}
