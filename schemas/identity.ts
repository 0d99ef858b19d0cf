import { z } from 'zod';

import { plain } from './fields.js';

const client = { client_id: z.string().nullish(), client_key: z.string().nullish() };

/** POST /v3/oauth2/tokens; unknown members are ignored, as clients send some (specification: platform §7.2). */
export const TokenRequest = z.discriminatedUnion(
  'grant_type',
  [
    z.object({
      grant_type: z.literal('password'),
      username: plain(60),
      password: z.string().min(1).max(1024),
      ...client,
    }),
    z.object({
      grant_type: z.literal('refresh_token'),
      refresh_token: z.string().min(1).max(16_384),
      ...client,
    }),
  ],
  { error: 'must be "password" or "refresh_token"' },
);

export const RevokeRequest = z.object({ token: z.string().min(1).max(16_384) });

const clientId = z.string().regex(/^[A-Za-z0-9._~-]{1,80}$/, 'must be up to 80 letters, digits and . _ ~ -');
export const ClientRequest = z.object({
  client_id: clientId.nullish(),
  client_key: z.string().min(8).max(200).nullish(),
  callback_url: plain(2048).nullish(),
  display_name: plain(200).nullish(),
  description: plain(2048).nullish(),
});

export const UserQuery = z.object({ tenant: plain(60), user: plain(60) });

const secret = z.looseObject({
  systemId: z.string(),
  userName: z.string(),
  privateKeyFile: z.string().optional(),
});

/** A seed file (design §2): the bodies of systems, apps and profiles are those of the API, each with an owner. */
export const Seed = z.strictObject({
  tenant: z.string().min(1),
  users: z
    .array(
      z.strictObject({ username: plain(60), password: z.string().min(1), admin: z.boolean().optional() }),
    )
    .default([]),
  systems: z.array(z.looseObject({ id: z.string(), owner: z.string() })).default([]),
  apps: z.array(z.looseObject({ id: z.string(), owner: z.string() })).default([]),
  credentials: z.array(secret).default([]),
  profiles: z.array(z.looseObject({ name: z.string(), owner: z.string() })).default([]),
});
export type Seed = z.infer<typeof Seed>;
