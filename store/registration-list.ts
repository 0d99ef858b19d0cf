import { sql, type RawBuilder, type SqlBool } from 'kysely';

import { KilimError } from '../domain/errors.js';
import type { AttributeKind, AttributeTable } from '../domain/search/attributes.js';
import { getAttribute } from '../domain/search/attributes.js';
import { comparisonOf } from '../domain/search/comparison.js';
import type { Condition } from '../domain/search/condition.js';
import type { Order } from '../domain/search/order.js';
import type { Db } from './database.js';
import { isPostgres } from './dialects.js';
import { headAttribute, type HeadTable } from './heads.js';
import { searchSql, type AttributeSql } from './search-sql.js';
import type { RegistrationQuery } from './store.js';

/** The differences between a list of systems and a list of applications. */
export interface ListKind {
  table: HeadTable;
  /** The prefix of the resources of permissions on them. */
  resource: 'system:' | 'app:';
  attributes: AttributeTable;
  /** The values of attributes, where some of them depend on the user that reads. */
  attributeSql?: AttributeSql;
  /** A further condition that the rows of this list must meet. */
  where?: RawBuilder<SqlBool>;
}

/**
 * The ids of one page, in order, and the number of all matching rows where it is asked for (else -1). The database does
 * the work of rights, search, order and paging, and only heads are read.
 */
export async function listIds<T extends string>(
  db: Db,
  kind: ListKind,
  query: RegistrationQuery,
  columns: readonly T[],
): Promise<{ rows: Record<T, string>[]; total: number }> {
  const pg = isPostgres(db);
  const attributeSql: AttributeSql = kind.attributeSql ?? headAttribute;
  const conditions = [
    sql`tenant = ${query.tenant}`,
    visibleSql(kind, query),
    ...(query.showDeleted ? [] : [sql`deleted = 0`]),
    ...(kind.where ? [kind.where] : []),
    searchSql(query.where, pg, attributeSql),
    ...(query.startAfter === null ? [] : [behindSql(kind, query, query.startAfter, pg)]),
  ];
  const from = sql`from ${sql.ref(kind.table)} where ${sql.join(conditions, sql` and `)}`;
  const page = sql<Record<T, string>>`select ${sql.join(columns.map((name) => sql.ref(name)))} ${from}
    order by ${orderSql(kind, query.orderBy, pg)} limit ${query.limit} offset ${query.skip}`;
  const { rows } = await page.execute(db);
  if (!query.computeTotal) return { rows, total: -1 };
  const counted = await sql<{ n: number }>`select count(*) as n ${from}`.execute(db);
  return { rows, total: Number(counted.rows[0]?.n ?? 0) };
}

/** Restricts a list to the user's own rows, to the rows on which the user holds READ, to both, or to none. */
function visibleSql(
  { resource, table }: ListKind,
  { tenant, user, scope }: RegistrationQuery,
): RawBuilder<SqlBool> {
  const own = sql<SqlBool>`owner = ${user}`;
  const granted = sql<SqlBool>`exists (select 1 from grants where grants.tenant = ${tenant} and grants.username = ${user}
    and grants.level = 'READ' and grants.resource = ${resource} || ${sql.ref(`${table}.id`)})`;
  switch (scope) {
    case 'own':
      return own;
    case 'granted':
      return granted;
    case 'all':
      return sql`(${own} or ${granted})`;
    case 'none':
      return sql`1 = 0`;
  }
}

/**
 * The databases differ in where they sort NULL. Rows of equal values are ordered by id, and versions by age, the newest
 * first.
 */
function orderSql(
  { attributes, attributeSql = headAttribute, table }: ListKind,
  orderBy: Order[],
  pg: boolean,
): RawBuilder<unknown> {
  const parts = orderBy.map(({ attribute, direction }) => {
    const { name, kind } = getAttribute(attributes, attribute, 'orderBy');
    const value = attributeSql(name, kind, pg);
    return direction === 'asc' ? sql`${value} asc nulls first` : sql`${value} desc nulls last`;
  });
  const ties = table === 'apps' ? [sql`id`, sql`created desc`, sql`version desc`] : [sql`id`];
  return sql.join([...parts, ...ties]);
}

/** Selects the rows behind a value of the first attribute of the order. */
function behindSql(
  { attributes, attributeSql = headAttribute }: ListKind,
  { orderBy: [first] }: RegistrationQuery,
  startAfter: string,
  pg: boolean,
): RawBuilder<SqlBool> {
  if (!first) return sql`1 = 1`;
  const attribute = getAttribute(attributes, first.attribute, 'orderBy');
  const operator = first.direction === 'asc' ? 'gt' : 'lt';
  if (attribute.kind === 'boolean') {
    if (!/^(true|false)$/i.test(startAfter))
      throw new KilimError('INVALID_REQUEST', `startAfter: must be true or false, because orderBy begins with ${attribute.name}`); // prettier-ignore
    const bit = /^true$/i.test(startAfter) ? 1 : 0;
    const value = attributeSql(attribute.name, attribute.kind, pg);
    return operator === 'gt' ? sql`${value} > ${sql.lit(bit)}` : sql`${value} < ${sql.lit(bit)}`;
  }
  const behind: Condition = comparisonOf(attribute, operator, [startAfter]);
  return searchSql(behind, pg, attributeSql);
}

/**
 * The login name that a user sees of each system. With a dynamic system it is the one of the user's credential there, else
 * the name of the user.
 * @param logins login names of the user's credentials by the id of their system
 */
export const loginAttribute =
  (user: string, logins: ReadonlyMap<string, string>): AttributeSql =>
  (name: string, kind: AttributeKind, pg: boolean) => {
    const defined = headAttribute(name, kind, pg);
    if (name !== 'effectiveUserId') return defined;
    // one bound value for all logins, because a search may ask for the attribute five hundred times
    const own = sql`${JSON.stringify(Object.fromEntries(logins))}`;
    const ownLogin = pg ? sql`cast(${own} as jsonb) ->> systems.id` : sql`${own} ->> systems.id`;
    const asReader = sql`coalesce(${ownLogin}, cast(${user} as text))`;
    const value = sql`case when ${defined} = '\${apiUserId}' then ${asReader} else ${defined} end`;
    return pg ? sql`(${value}) collate "C"` : value;
  };
