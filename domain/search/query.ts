/** A list query: a condition tree with values apart from the text, sorting and paging. Never SQL. */
export interface Query {
  where: Condition;
  orderBy: { attribute: string; direction: 'asc' | 'desc' }[];
  limit: number;
  skip: number;
  /** Value of the first orderBy attribute after which to start. */
  startAfter?: string | null;
  computeTotal: boolean;
}

export type Condition =
  | { is: 'all' }
  | { is: 'and' | 'or'; of: Condition[] }
  | { is: 'compare'; attribute: string; operator: Operator; values: Scalar[] };

export type Scalar = string | number | boolean | null;

/** `in`, `nin`, `between`, `nbetween`, `contains`, `ncontains` take several values. `like` uses `%` and `_`, backslash escapes. */
export type Operator =
  | 'eq'
  | 'neq'
  | 'lt'
  | 'lte'
  | 'gt'
  | 'gte'
  | 'in'
  | 'nin'
  | 'like'
  | 'nlike'
  | 'between'
  | 'nbetween'
  | 'contains'
  | 'ncontains';
