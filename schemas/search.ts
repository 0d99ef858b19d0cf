import { z } from 'zod';

/** The body of a POST search: pieces of one SQL-like text (specification: jobs §1.7). */
export const SearchBody = z.strictObject({ search: z.array(z.string()).min(1) });
