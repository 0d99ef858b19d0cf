import type { AttributeTable } from '../domain/search/attributes.js';
import type { Condition } from '../domain/search/condition.js';
import { parsePairs, parseSearch, type PairRules } from '../domain/search/conditions.js';
import { parseSqlText } from '../domain/search/sql-text.js';
import { parseBody } from '../schemas/parse.js';
import { SearchBody } from '../schemas/search.js';
import { route, type Answer, type Call, type Route } from './route.js';
import type { ApiDeps } from './deps.js';

type Listing = (call: Call, deps: ApiDeps, condition: Condition) => Promise<Answer>;

/** The two ways to search a list: conditions as query parameters, or an SQL-like text as the body (jobs §1.6, §1.7; platform §8.5). */
export const searchRoutes = (path: string, rules: PairRules, list: Listing): Route[] => [
  route({
    method: 'get',
    path,
    handle: (call, deps) => {
      const pairs = Object.entries(call.query).map(([name, value = '']) => [name, value] as const);
      return list(call, deps, parsePairs(pairs, rules));
    },
  }),
  route({
    method: 'post',
    path,
    reads: true,
    handle: (call, deps) =>
      list(call, deps, parseSqlText(parseBody(SearchBody, call.body).search, rules.table)),
  }),
];

/** The parameter `search` of a plain list. */
export const searchOf = ({ query }: Call, table: AttributeTable): Condition =>
  parseSearch(query['search'] ?? '', table);
