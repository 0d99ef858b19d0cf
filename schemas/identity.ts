import { z } from 'zod';

/** POST /v3/oauth2/tokens; unknown members are ignored, as clients send some (specification: platform §7.2). */
export const TokenRequest = z.object({
  grant_type: z.enum(['password'], { error: 'must be "password"' }),
  username: z.string().min(1).max(60),
  password: z.string().min(1).max(1024),
});

const secret = z.looseObject({ systemId: z.string(), userName: z.string(), privateKeyFile: z.string().optional() });

/** A seed file (design §2): the bodies of systems, apps and profiles are those of the API, each with an owner. */
export const Seed = z.strictObject({
  tenant: z.string().min(1),
  users: z.array(z.strictObject({ username: z.string().min(1), password: z.string().min(1), admin: z.boolean().optional() })).default([]),
  systems: z.array(z.looseObject({ id: z.string(), owner: z.string() })).default([]),
  apps: z.array(z.looseObject({ id: z.string(), owner: z.string() })).default([]),
  credentials: z.array(secret).default([]),
  profiles: z.array(z.looseObject({ name: z.string(), owner: z.string() })).default([]),
});
export type Seed = z.infer<typeof Seed>;
