import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { z } from 'zod';

const flag = z.enum(['true', 'false']).transform((text) => text === 'true');
const port = z.coerce.number().int().min(0).max(65535);

/** Every setting of the programs, from the environment. The table in the README is this list. */
export const Config = z
  .object({
    KILIM_HOME: z.string().startsWith('/'),
    DATABASE_URL: z.string().regex(/^(sqlite:|postgres(ql)?:\/\/)/, 'must start with sqlite: or postgres://').optional(),
    KILIM_MASTER_KEY_FILE: z.string().optional(),
    TEMPORAL_ADDRESS: z.string().regex(/^[^\s:]+:\d+$/, 'must read host:port').default('127.0.0.1:7233'),
    TEMPORAL_NAMESPACE: z.string().default('default'),
    KILIM_TASK_QUEUE: z.string().default('jobs'),
    KILIM_HOST: z.string().default('127.0.0.1'),
    KILIM_PORT: port.default(8080),
    PUBLIC_URL: z.url().optional(),
    KILIM_TENANT: z.string().regex(/^[a-z][a-z0-9-]{0,23}$/, 'must be up to 24 of a-z, 0-9 and -').default('dev'),
    KILIM_LOCAL_EXECUTION: flag.default(false),
    KILIM_LOCAL_USER: z.string().regex(/^[a-z_][a-z0-9_-]*$/).default('nobody'),
    KILIM_ALLOW_PRIVATE_FETCH: flag.default(false),
    KILIM_SKIP_CREDENTIAL_CHECK: flag.default(false),
    KILIM_WORKFLOW_BUNDLE: z.string().optional(),
    LOG_LEVEL: z.enum(['debug', 'info', 'warn', 'error', 'silent']).default('info'),
  })
  .transform((env) => ({
    ...env,
    DATABASE_URL: env.DATABASE_URL ?? `sqlite:${join(env.KILIM_HOME, 'kilim.db')}`,
    KILIM_MASTER_KEY_FILE: env.KILIM_MASTER_KEY_FILE ?? join(env.KILIM_HOME, 'keys', 'master.key'),
  }));
export type Config = z.infer<typeof Config>;

/** @throws Error with one sentence that names the variables and rules */
export function parseConfig(env: Record<string, string | undefined>): Config {
  const parsed = Config.safeParse(Object.fromEntries(Object.entries(env).filter(([, value]) => value !== '')));
  if (parsed.success) return parsed.data;
  throw new Error(`Kilim cannot start: ${parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; ')}.`);
}

/** One key a line, in base64; the first seals, retired ones follow. */
export function readKeys(file: string): Buffer[] {
  const keys = readFileSync(file, 'utf8').split('\n').filter((line) => line.trim() !== '').map((line) => Buffer.from(line.trim(), 'base64'));
  if (keys.length === 0 || keys.some(({ length }) => length !== 32)) throw new Error(`Kilim cannot start: ${file} must hold a key of 32 bytes in base64 on each line.`);
  return keys;
}
