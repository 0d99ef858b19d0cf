import { z } from 'zod';

import { list } from './fields.js';

/** The body of a POST search: pieces of one SQL-like text (specification: jobs §1.7). */
export const SearchBody = z.strictObject({
  search: list(z.string()).refine((all) => all.length > 0, 'must have at least 1 element'),
});
