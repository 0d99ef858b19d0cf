import { sql, type RawBuilder, type SqlBool } from 'kysely';

import type { AttributeKind } from '../domain/search/attributes.js';
import type { Comparison, Condition, Value } from '../domain/search/condition.js';

/**
 * The value of an attribute as SQL; its name must be from one of the tables of attributes, because it becomes part of
 * the SQL.
 */
export type AttributeSql = (name: string, kind: AttributeKind, isPostgres: boolean) => RawBuilder<unknown>;

/**
 * A search as a condition of SQL: every value is bound. An attribute that is not set equals only NULL, and no other
 * comparison with it holds; an array that is not set is empty.
 */
export function searchSql(
  condition: Condition,
  isPostgres: boolean,
  attributeSql: AttributeSql,
): RawBuilder<SqlBool> {
  if (condition.is === 'compare') return comparisonSql(condition, isPostgres, attributeSql);
  const [parts, sign] = condition.is === 'and' ? [condition.all, sql` and `] : [condition.any, sql` or `];
  if (parts.length === 0) return condition.is === 'and' ? sql`1 = 1` : sql`1 = 0`;
  return sql`(${sql.join(
    parts.map((part) => searchSql(part, isPostgres, attributeSql)),
    sign,
  )})`;
}

const SIGNS = { eq: sql`=`, neq: sql`<>`, lt: sql`<`, lte: sql`<=`, gt: sql`>`, gte: sql`>=` };

function comparisonSql(
  comparison: Comparison,
  isPostgres: boolean,
  attributeSql: AttributeSql,
): RawBuilder<SqlBool> {
  const { attribute, kind, operator, values } = comparison;
  const it = attributeSql(attribute, kind, isPostgres);
  if (kind === 'array') return overlapSql(it, comparison, isPostgres);
  const bound = values.map((value) => bind(value, kind, isPostgres));
  const [first, second] = bound;
  switch (operator) {
    case 'eq':
    case 'neq':
      if (values[0] === null) return operator === 'eq' ? sql`${it} is null` : sql`${it} is not null`;
      return sql`${it} ${SIGNS[operator]} ${first}`;
    case 'lt':
    case 'lte':
    case 'gt':
    case 'gte':
      return sql`${it} ${SIGNS[operator]} ${first}`;
    case 'between':
      return sql`${it} between ${first} and ${second}`;
    case 'nbetween':
      return sql`${it} not between ${first} and ${second}`;
    case 'in':
      return sql`${it} in (${sql.join(bound)})`;
    case 'nin':
      return sql`${it} not in (${sql.join(bound)})`;
    case 'like':
      return likeSql(it, String(values[0]), isPostgres);
    case 'nlike':
      return sql`not ${likeSql(it, String(values[0]), isPostgres)}`;
    case 'contains':
    case 'ncontains':
      return sql`1 = 0`; // of arrays only
  }
}

function bind(value: Value, kind: Comparison['kind'], isPostgres: boolean): RawBuilder<unknown> {
  if (kind === 'boolean') return value === null ? sql`null` : sql.lit(value ? 1 : 0);
  if (!isPostgres) return sql`${value}`;
  return kind === 'number' ? sql`${value}::numeric` : sql`${value}::text`;
}

/** SQLite's LIKE is blind to the case of letters; its GLOB is not. */
function likeSql(it: RawBuilder<unknown>, pattern: string, isPostgres: boolean): RawBuilder<SqlBool> {
  if (isPostgres) return sql`(${it} like ${pattern}::text escape '\\')`;
  const glob = (pattern.match(/\\.|[^]/gsu) ?? []).map((part) => {
    if (part === '%') return '*';
    if (part === '_') return '?';
    return part.replace(/^\\(?=.)/s, '').replace(/[*?[]/, '[$&]');
  });
  return sql`(${it} glob ${glob.join('')})`;
}

function overlapSql(
  it: RawBuilder<unknown>,
  { operator, values }: Comparison,
  isPostgres: boolean,
): RawBuilder<SqlBool> {
  const texts = values.map(String);
  const has = isPostgres
    ? sql`coalesce(${it} ?| ${texts}::text[], false)`
    : sql`exists (select 1 from json_each(${it}) where json_each.value in (${sql.join(texts)}))`;
  return operator === 'contains' || operator === 'in' ? sql`${has}` : sql`not ${has}`;
}
