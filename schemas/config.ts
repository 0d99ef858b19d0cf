import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { join } from 'node:path';

import { z } from 'zod';

import { withoutEndSlashes } from '../domain/files/path.js';

const flag = z
  .enum(['true', 'false'], { error: 'must be true or false' })
  .transform((text) => text === 'true');
const port = z.coerce.number({ error: 'must be a port number' }).int().min(0).max(65535);
const seconds = z.coerce.number({ error: 'must be a number of seconds' }).int().min(1).max(63_072_000);
const minutes = z.coerce.number({ error: 'must be a number of minutes' }).positive().max(1_000_000);
const count = z.coerce.number({ error: 'must be a whole number' }).int().min(1).max(10_000_000);
const list = z.string().transform((text) =>
  text
    .split(',')
    .map((word) => word.trim())
    .filter(Boolean),
);
const id = z
  .string()
  .regex(/^[a-z][a-z0-9-]{0,23}$/, 'must start with a letter and be up to 24 of a-z, 0-9 and -');

const HOST_WORD = /^(\*|(\*\.)?[A-Za-z0-9_]([A-Za-z0-9._-]*[A-Za-z0-9])?)$/;

function isNetwork(word: string): boolean {
  const [address = '', bits, ...rest] = word.split('/');
  const version = isIP(address);
  if (version === 0 || rest.length > 0) return false;
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (version === 6 ? 128 : 32));
}

/** Every setting of the programs, from the environment. The table in the README is this list. */
export const Config = z
  .object({
    KILIM_HOME: z
      .string({ error: 'must be set to a folder' })
      .startsWith('/', 'must be an absolute path')
      .describe('the folder of keys, SQLite files and logs; `up`: `~/.kilim`'),
    DATABASE_URL: z
      .string()
      .regex(/^(sqlite:|postgres(ql)?:\/\/)/, 'must start with sqlite: or postgres://')
      .optional()
      .describe('`sqlite:/path` or `postgres://…`; default: `sqlite:` and kilim.db of the home'),
    KILIM_MASTER_KEY: z
      .string()
      .optional()
      .describe('32 bytes in base64; more of them, separated by commas, only open; wins over the file'),
    KILIM_MASTER_KEY_FILE: z
      .string()
      .optional()
      .describe('one key a line, the first seals; default: keys/master.key of the home'),
    TEMPORAL_ADDRESS: z
      .string()
      .regex(/^[^\s:]+:\d+$/, 'must read host:port')
      .default('127.0.0.1:7233')
      .describe(
        "Temporal's server; with `up`: use it instead of an embedded one. TLS and API key as Temporal's own variables say: `TEMPORAL_TLS*`, `TEMPORAL_API_KEY`, `TEMPORAL_PROFILE`",
      ),
    TEMPORAL_NAMESPACE: z.string().default('default').describe('namespace of the workflows'),
    KILIM_TASK_QUEUE: z.string().default('jobs').describe('task queue of the workers'),
    KILIM_HOST: z
      .string()
      .default('127.0.0.1')
      .describe('where the API listens; beyond loopback, weak passwords are refused'),
    KILIM_PORT: port.default(8080).describe('port of the API'),
    KILIM_METRICS_PORT: port
      .optional()
      .describe(
        'port of the worker for `/metrics` and `/healthz`; unset: none. The API serves them on its own port',
      ),
    KILIM_METRICS_HOST: z.string().default('127.0.0.1').describe('address of that port'),
    PUBLIC_URL: z
      .url({ error: 'must be a URL' })
      .transform(withoutEndSlashes)
      .optional()
      .describe('address that clients see; default: that of each request'),
    TRUST_PROXY: flag
      .default(false)
      .describe(
        'behind one proxy: believe its `X-Forwarded-…` headers; without it all clients behind a proxy have one address, by which failed log-ins are counted',
      ),
    CORS_ORIGINS: list
      .default([])
      .describe('origins of web pages that may call the API, separated by commas, or `*`'),
    KILIM_TENANT: id.default('dev').describe('the tenant'),
    KILIM_SITE: id.default('local').describe('the site that clients are told of'),
    KILIM_LOCAL_EXECUTION: flag
      .default(false)
      .describe(
        'systems on "localhost" without a port are this machine, for a person\'s own; `up`: `true` while the API listens on loopback',
      ),
    KILIM_LOCAL_USER: z
      .string()
      .regex(/^[a-z_][a-z0-9_-]*$/, 'must be the name of an account')
      .default('nobody')
      .describe('account of such jobs when Kilim is root'),
    KILIM_LOCAL_USERS: list
      .default([])
      .describe(
        'users who besides administrators may own and change such systems and run jobs there, separated by commas',
      ),
    KILIM_TRUSTED_ISSUERS: z
      .string()
      .optional()
      .describe('JSON file: `[{issuer, jwksUrl or publicKey, audience?, usernameClaim?}]`'),
    KILIM_ACCESS_TOKEN_SECONDS: seconds.default(14_400).describe('how long an access token is valid'),
    KILIM_REFRESH_TOKEN_SECONDS: seconds.default(31_536_000).describe('how long a refresh token is valid'),
    KILIM_BLOCKED_LIMIT_MINUTES: minutes
      .default(2880)
      .describe('how long a job stays BLOCKED by a refused login, a full disk, a disabled system, a quota …'),
    KILIM_HOST_DOWN_LIMIT_MINUTES: minutes
      .optional()
      .describe('how long by a host that does not answer; unset: without limit'),
    KILIM_SWEEP_MINUTES: minutes
      .default(10)
      .describe(
        'how often hosts are looked at for what ended jobs left running; what was seen for one and a half times as long is ended',
      ),
    KILIM_USER_MAX_RECORDS: count
      .default(1_000)
      .describe(
        'how many systems a user may own, and how many versions of applications, scheduler profiles and clients; deleted ones count until `kilim purge`. Of permissions a user may give ten times as many',
      ),
    KILIM_USER_MAX_LIVE_JOBS: count
      .default(10_000)
      .describe(
        'how many jobs of a user may be under way; a further one is answered 409 until some have ended',
      ),
    KILIM_TRANSFER_IDLE_SECONDS: seconds
      .default(60)
      .describe(
        'an upload whose client sends nothing for so long is ended, and a download whose client takes nothing',
      ),
    KILIM_BODY_SECONDS: seconds
      .default(300)
      .describe('how long the body of a request may take that is no upload'),
    KILIM_TRANSFER_WAIT_SECONDS: seconds
      .default(30)
      .describe(
        "how long an upload, a download or a copy waits for its turn at a host before it is answered 503; a user has half of a host's turns at most",
      ),
    KILIM_ALLOW_PRIVATE_FETCH: flag.default(false).describe('inputs may come from private addresses'),
    KILIM_ALLOWED_HOSTS: list
      .refine(
        (words) => words.every((word) => HOST_WORD.test(word) || isNetwork(word)),
        'must be host names, *.domain, addresses or CIDR blocks, separated by commas, or *',
      )
      .optional()
      .describe(
        'hosts that systems may name: names, `*.domain`, addresses and CIDR blocks, separated by commas, or `*`. What a failed connection there says is told at once, else after the first login; unset: all but link-local ones',
      ),
    KILIM_SKIP_CREDENTIAL_CHECK: flag.default(false).describe('store credentials without a log-in'),
    KILIM_WORKFLOW_BUNDLE: z
      .string()
      .optional()
      .describe("file of the workflows' code; default: this build's"),
    LOG_LEVEL: z
      .enum(['debug', 'info', 'warn', 'error', 'silent'])
      .default('info')
      .describe('of the JSON lines on stderr; audit lines come at each but `silent`'),
  })
  .transform((env) => ({
    ...env,
    DATABASE_URL: env.DATABASE_URL ?? `sqlite:${join(env.KILIM_HOME, 'kilim.db')}`,
    KILIM_MASTER_KEY_FILE: env.KILIM_MASTER_KEY_FILE ?? join(env.KILIM_HOME, 'keys', 'master.key'),
  }));
export type Config = z.infer<typeof Config>;

/** @throws Error with one sentence that names the variables and rules */
export function parseConfig(env: Record<string, string | undefined>): Config {
  const parsed = Config.safeParse(
    Object.fromEntries(Object.entries(env).filter(([, value]) => value !== '')),
  );
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues.map(({ path, message }) => {
    const name = path.join('.');
    const value = /KEY|URL/.test(name) ? undefined : env[name];
    return `${name}${value === undefined ? '' : ` ("${value.slice(0, 80)}")`} ${message}`;
  });
  throw new Error(`Kilim cannot start: ${faults.join('; ')}.`);
}

/** One key a line, in base64; the first seals, retired ones follow. */
function readKeys(file: string): Buffer[] {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new Error(
      `Kilim cannot start: the master key cannot be read (KILIM_MASTER_KEY_FILE or KILIM_MASTER_KEY): ${why}.`,
    );
  }
  return decodeKeys(text.split('\n'), file);
}

/** The keys of the environment, else of the file. */
export const masterKeys = (config: Config): Buffer[] =>
  config.KILIM_MASTER_KEY
    ? decodeKeys(config.KILIM_MASTER_KEY.split(','), 'KILIM_MASTER_KEY')
    : readKeys(config.KILIM_MASTER_KEY_FILE);

/** The name of the variable or file that the keys come from, for messages about them. */
export const keysFrom = (config: Config): string =>
  config.KILIM_MASTER_KEY ? 'KILIM_MASTER_KEY' : config.KILIM_MASTER_KEY_FILE;

/** @throws Error with one sentence that names the variable or file */
export function decodeKeys(words: string[], where: string): Buffer[] {
  const keys = words.filter((word) => word.trim() !== '').map((word) => Buffer.from(word.trim(), 'base64'));
  if (keys.length === 0 || keys.some(({ length }) => length !== 32))
    throw new Error(`Kilim cannot start: ${where} must hold keys of 32 bytes in base64.`);
  return keys;
}

const Issuers = z.array(
  z
    .strictObject({
      issuer: z.string().min(1),
      jwksUrl: z.url().optional(),
      publicKey: z.string().optional(),
      audience: z.string().optional(),
      usernameClaim: z.string().default('tapis/username'),
    })
    .refine(({ jwksUrl, publicKey }) => !jwksUrl !== !publicKey, 'needs either jwksUrl or publicKey'),
);
export type TrustedIssuer = z.infer<typeof Issuers>[number];

/** @throws Error with one sentence */
export function readIssuers(file: string | undefined): TrustedIssuer[] {
  if (!file) return [];
  try {
    return Issuers.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch (error) {
    const why =
      error instanceof z.ZodError
        ? error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; ')
        : String(error);
    throw new Error(`Kilim cannot start: KILIM_TRUSTED_ISSUERS (${file}) is not understood: ${why}.`);
  }
}

/** Only this machine's own people reach what listens there. */
export const isLoopback = (host = '127.0.0.1'): boolean => /^(127\.|::1$|localhost$)/.test(host);
