import { KilimError } from '../domain/errors.js';
import type { AttributeTable } from '../domain/search/attributes.js';
import { parseOrderBy, type Order } from '../domain/search/order.js';
import { MOST_MEMBERS } from '../schemas/parse.js';
import type { Call } from './route.js';

export interface Paging {
  limit: number;
  skip: number;
  orderBy: Order[];
  /** A value of the first attribute of `orderBy`; the list holds the records that come after it. */
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

/** The most records of a page that shows only a few columns of each. */
export const MOST_SUMMARIES = 10_000;
/** The most records of a page that shows whole documents. */
export const MOST_RECORDS = 1_000;

/**
 * The list parameters of jobs, systems and applications (specification: platform §8.4, jobs §1.5). A negative limit and a
 * limit above `most` mean `most`, which the answer shows as `recordLimit`.
 * @param table the attributes that `orderBy` may name; without a table `orderBy` is ignored, because the order is fixed
 */
export function pagingOf(
  { query }: Pick<Call, 'query'>,
  table?: AttributeTable,
  most = MOST_SUMMARIES,
): Paging {
  const limit = integer('limit', query['limit'], 100);
  return {
    limit: limit < 0 ? most : Math.min(limit, most),
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

/** Does `select` ask for members that may be large, so that the whole documents have to be read? */
export const showsDocuments = (select: string | undefined, { kinds }: AttributeTable): boolean =>
  (select ?? '')
    .split(',')
    .map((name) => name.trim())
    .some((name) => name === 'allAttributes' || kinds[name] === 'document');

/** Where a page of systems or applications begins. @throws KilimError INVALID_REQUEST (platform §8.4) */
export function startOf(
  { startAfter, orderBy, skip, limit }: Paging,
  most: number,
): Pick<Paging, 'startAfter' | 'limit'> {
  if (startAfter !== null && (orderBy.length === 0 || skip > 0))
    throw new KilimError('INVALID_REQUEST', `startAfter: ${skip > 0 ? 'excludes skip' : 'needs orderBy'}`);
  return { startAfter, limit: limit === 0 ? most : limit };
}

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
  const count = Object.keys(body).length;
  if (count > MOST_MEMBERS)
    throw new KilimError(
      'INVALID_REQUEST',
      `body: has ${count} members; at most ${MOST_MEMBERS} are possible`,
    );
  return body as Record<string, unknown>;
}
