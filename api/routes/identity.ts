import { randomUUID } from 'node:crypto';

import { RateLimiterMemory } from 'rate-limiter-flexible';

import { KilimError } from '../../domain/errors.js';
import { isLoopback } from '../../schemas/config.js';
import { ClientRequest, RevokeRequest, TokenRequest } from '../../schemas/identity.js';
import { parseBody } from '../../schemas/parse.js';
import type { ApiDeps } from '../deps.js';
import {
  addClient,
  checkClient,
  getClient,
  listClients,
  removeClient,
  type Client,
} from '../identity/clients.js';
import { isPassword, whyWeak } from '../identity/passwords.js';
import { refuseMoreOf } from '../user-limits.js';
import { route, type Answer, type Call, type Route } from '../route.js';

// ten failures a quarter of an hour for a user and address, and a hundred for an address alone
const byUser = new RateLimiterMemory({ points: 10, duration: 900 });
const byAddress = new RateLimiterMemory({ points: 100, duration: 900 });

/** The client of a Basic header or of the body, checked; null where none is named. */
async function clientOf(
  { headers }: Call,
  body: { client_id?: string | null | undefined; client_key?: string | null | undefined },
  { store, config }: ApiDeps,
): Promise<string | null> {
  const basic = /^Basic (.+)$/i.exec(headers['authorization'] ?? '')?.[1];
  const [id, key] = basic
    ? split(Buffer.from(basic, 'base64').toString('utf8'))
    : [body.client_id, body.client_key];
  if (!id) return null;
  return checkClient(store, config.KILIM_TENANT, id, key ?? '');
}

const split = (text: string): [string, string] => [
  text.split(':')[0] ?? '',
  text.split(':').slice(1).join(':'),
];

interface Login {
  username: string;
  password: string;
}

const turns = new Map<string, Promise<unknown>>();

/** One after the other: of guesses at the same time each would be made before the first was counted. */
function inTurn<T>(who: string, work: () => Promise<T>): Promise<T> {
  const mine = (turns.get(who) ?? Promise.resolve()).then(work);
  const over = mine
    .catch(() => undefined)
    .then(() => {
      if (turns.get(who) === over) turns.delete(who);
    });
  turns.set(who, over);
  return mine;
}

/** @throws KilimError BAD_CREDENTIALS, TOO_MANY_REQUESTS */
async function checkPassword({ address }: Call, { username, password }: Login, deps: ApiDeps): Promise<void> {
  const limits = [[byUser, `${deps.installation} ${username} ${address}`], [byAddress, `${deps.installation} ${address}`]] as const; // prettier-ignore
  for (const [limit, who] of limits) {
    if (((await limit.get(who))?.remainingPoints ?? 1) <= 0)
      throw new KilimError(
        'TOO_MANY_REQUESTS',
        'Too many failed log-ins; try again in a quarter of an hour.',
      );
  }
  const user = await deps.store.users.find(deps.config.KILIM_TENANT, username);
  if (!(await isPassword(password, user?.passwordHash ?? null))) {
    await Promise.all(limits.map(([limit, who]) => limit.consume(who).catch(() => undefined)));
    throw new KilimError('BAD_CREDENTIALS', 'Invalid username/password combination.');
  }
}

async function byPassword(
  call: Call,
  { username, password, ...client }: Login,
  deps: ApiDeps,
): Promise<Answer> {
  await inTurn(call.address, () => checkPassword(call, { username, password }, deps));
  const weak = isLoopback(deps.config.KILIM_HOST) ? null : whyWeak(password, username);
  if (weak)
    throw new KilimError(
      'NOT_AUTHORIZED',
      `The password of ${username} is weak, and others than this machine reach the API: ${weak} (kilim set-password).`,
    );
  const clientId = await clientOf(call, client, deps);
  return pair(call, deps, { user: username, clientId, grant: 'password' });
}

async function byRefresh(
  call: Call,
  { refresh_token, ...client }: { refresh_token: string },
  deps: ApiDeps,
): Promise<Answer> {
  const clientId = await clientOf(call, client, deps);
  const session = await deps.tokens.openRefresh(refresh_token);
  if (clientId !== session.clientId)
    throw new KilimError('BAD_CREDENTIALS', 'The refresh token belongs to another client.');
  if (!(await deps.store.users.find(deps.config.KILIM_TENANT, session.user)))
    throw new KilimError('BAD_CREDENTIALS', 'The user of the refresh token is gone.');
  await deps.store.users.revokeToken(session.jti, session.expires); // used once
  return pair(call, deps, { user: session.user, clientId, grant: 'refresh_token', count: session.count + 1 });
}

interface Session {
  user: string;
  clientId: string | null;
  grant: 'password' | 'refresh_token';
  count?: number;
}

/** Only a client gets a refresh token; the key is absent otherwise (platform §7.2). */
async function pair({ base }: Call, { tokens }: ApiDeps, session: Session): Promise<Answer> {
  const { clientId } = session;
  const refresh =
    clientId === null ? {} : { refresh_token: await tokens.issueRefresh({ base, ...session, clientId }) };
  return {
    says: 'Token created successfully.',
    result: { access_token: await tokens.issue({ base, ...session }), ...refresh },
  };
}

const login = route({
  method: 'post',
  path: '/v3/oauth2/tokens',
  open: true,
  handle: (call, deps) => {
    const body = parseBody(TokenRequest, call.body);
    return body.grant_type === 'password' ? byPassword(call, body, deps) : byRefresh(call, body, deps);
  },
});

const revoke = route({
  method: 'post',
  path: '/v3/oauth2/tokens/revoke',
  open: true,
  handle: async ({ body }, { tokens }) => {
    await tokens.revoke(parseBody(RevokeRequest, body).token);
    return { says: 'Token revoked.', result: 'Token has been revoked.' };
  },
});

const metadata = route({
  method: 'get',
  path: '/v3/oauth2/.well-known/oauth-authorization-server',
  open: true,
  handle: ({ base }) =>
    Promise.resolve({
      says: 'Metadata retrieved successfully.',
      result: {
        issuer: `${base}/v3/tokens`, authorization_endpoint: `${base}/v3/oauth2/authorize`, token_endpoint: `${base}/v3/oauth2/tokens`,
        jwks_uri: `${base}/v3/tenants`, registration_endpoint: `${base}/v3/oauth2/clients`, grant_types_supported: ['password', 'refresh_token'],
      },
    }), // prettier-ignore
});

const profileRecord = (username: string): Record<string, unknown> => ({
  username, email: null, name: username, given_name: null, last_name: null, phone: null, mobile_phone: null, create_time: null, uid: null, dn: null,
}); // prettier-ignore

const profiles: readonly Route[] = [
  route({
    method: 'get',
    path: '/v3/oauth2/userinfo',
    handle: ({ caller }) =>
      Promise.resolve({ says: 'User profile retrieved successfully.', result: profileRecord(caller.user) }),
  }),
  route({
    method: 'get',
    path: '/v3/oauth2/profiles',
    handle: async ({ caller }, { store }) => ({
      says: 'Profiles retrieved successfully.',
      result: (await store.users.list(caller.tenant)).map(({ username }) => profileRecord(username)),
    }),
  }),
  route({
    method: 'get',
    path: '/v3/oauth2/profiles/:user',
    handle: async ({ caller, params }, { store }) => {
      const user = await store.users.find(caller.tenant, params['user'] ?? '');
      if (!user) throw new KilimError('NOT_FOUND', `The user ${params['user'] ?? ''} was not found.`);
      return { says: 'User profile retrieved successfully.', result: profileRecord(user.username) };
    },
  }),
];

const clientRecord = (client: Client & { client_key?: string }, active = true): Record<string, unknown> => ({
  ...client, client_key: client.client_key ?? null, active, last_update_time: client.create_time,
}); // prettier-ignore

const clients: readonly Route[] = [
  route({
    method: 'post',
    path: '/v3/oauth2/clients',
    handle: async ({ body, caller }, deps) => {
      const { store } = deps;
      await refuseMoreOf('clients', caller.user, caller, deps);
      const { client_id, client_key, callback_url, display_name, description } = parseBody(
        ClientRequest,
        body ?? {},
      );
      const made = await addClient(
        store,
        {
          client_id: client_id ?? randomUUID(),
          owner: caller.user,
          tenant_id: caller.tenant,
          callback_url: callback_url ?? null,
          display_name: display_name ?? null,
          description: description ?? null,
        },
        client_key ?? undefined,
      );
      return { says: 'Client created successfully.', result: clientRecord(made) };
    },
  }),
  route({
    method: 'get',
    path: '/v3/oauth2/clients',
    handle: async ({ caller }, { store }) => ({
      says: 'Clients retrieved successfully.',
      result: (await listClients(store, caller.tenant, caller.user)).map((client) => clientRecord(client)),
    }),
  }),
  route({
    method: 'get',
    path: '/v3/oauth2/clients/:id',
    handle: async ({ caller, params }, { store }) => ({
      says: 'Client retrieved successfully.',
      result: clientRecord(await getClient(store, caller, params['id'] ?? '')),
    }),
  }),
  route({
    method: 'delete',
    path: '/v3/oauth2/clients/:id',
    handle: async ({ caller, params }, { store }) => {
      const client = await getClient(store, caller, params['id'] ?? '');
      await removeClient(store, client);
      return { says: 'Client deleted successfully.', result: clientRecord(client, false) };
    },
  }),
];

/** Log-in, tokens, clients, profiles (specification: platform §7.2, §7.4). */
export const identityRoutes: readonly Route[] = [login, revoke, metadata, ...profiles, ...clients];
