import { KilimError } from '../domain/errors.js';
import type { Call } from './route.js';

export interface Paging {
  limit: number;
  skip: number;
  orderBy: { attribute: string; direction: 'asc' | 'desc' }[];
  computeTotal: boolean;
}

const integer = (name: string, text: string | undefined, otherwise: number): number => {
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

/** The list parameters of jobs, systems and applications (specification: platform §8.4, jobs §1.5). */
export function pagingOf({ query }: Pick<Call, 'query'>): Paging {
  const orderBy = (query['orderBy'] ?? '').split(',').filter(Boolean).map((part) => {
    const [, attribute, direction] = /^\s*([A-Za-z_]+)\s*(?:\((asc|desc)\))?\s*$/i.exec(part) ?? [];
    if (!attribute) throw new KilimError('INVALID_REQUEST', `orderBy: "${part}" must read attribute(asc) or attribute(desc)`);
    const camel = attribute.replace(/_([a-z])/g, (_all, letter: string) => letter.toUpperCase());
    return { attribute: camel, direction: direction?.toLowerCase() === 'desc' ? ('desc' as const) : ('asc' as const) };
  }); // prettier-ignore
  return {
    limit: integer('limit', query['limit'], 100),
    skip: Math.max(0, integer('skip', query['skip'], 0)),
    orderBy,
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
