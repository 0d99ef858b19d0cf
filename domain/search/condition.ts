import type { AttributeKind } from './attributes.js';

export const OPERATORS = [
  'eq', 'neq', 'lt', 'lte', 'gt', 'gte', 'in', 'nin', 'like', 'nlike', 'between', 'nbetween', 'contains', 'ncontains',
] as const; // prettier-ignore
export type Operator = (typeof OPERATORS)[number];

/** Timestamps are full ISO texts in UTC with microseconds, so that their order is that of their text. */
export type Value = string | number | boolean | null;

/**
 * One comparison. `like`/`nlike` carry a pattern of `%` and `_` with `\` as escape; `between` two values (inclusive);
 * `in` and `contains` one or more (on arrays: any of them; `nin`, `ncontains`: none of them); the others one.
 */
export interface Comparison {
  is: 'compare';
  /** camelCase, as on the wire. */
  attribute: string;
  kind: Exclude<AttributeKind, 'document'>;
  operator: Operator;
  values: Value[];
}

/** What a search asks for. An empty `and` is true for all. */
export type Condition = { is: 'and'; all: Condition[] } | { is: 'or'; any: Condition[] } | Comparison;

/** Restricts what a user asks for to what he may see: `(user) AND (scope)`, whatever the user wrote. */
export const within = (user: Condition, scope: Condition): Condition => ({ is: 'and', all: [user, scope] });

/** Whether a condition asks for the attribute at all. */
export const asksFor = (condition: Condition, attribute: string): boolean =>
  condition.is === 'compare'
    ? condition.attribute === attribute
    : (condition.is === 'and' ? condition.all : condition.any).some((one) => asksFor(one, attribute));
