import type { z } from 'zod';

import { KilimError } from '../domain/errors.js';

/** Parses or names every fault: field, value (never a secret's) and rule. @throws KilimError INVALID_REQUEST */
export function parseBody<T extends z.ZodType>(schema: T, body: unknown): z.infer<T> {
  const parsed = schema.safeParse(body, { reportInput: true });
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues.slice(0, 50).map(({ path, message, input }) => {
    const field = path.map(String).join('.') || 'body';
    const isSecret = /password|privateKey|secret|token|value/i.test(field);
    const shown =
      isSecret || input === undefined || typeof input === 'object'
        ? ''
        : ` ${JSON.stringify(input).slice(0, 80)}`;
    return `${field}:${shown} ${message}`;
  });
  throw new KilimError('INVALID_REQUEST', faults.join('\n'));
}
