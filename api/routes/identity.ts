import { randomUUID } from 'node:crypto';

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
import { networkOf } from '../identity/guesses.js';
import { isPassword, whyWeak } from '../identity/passwords.js';
import { isDisabled } from '../identity/tokens.js';
import { refuseNul } from '../read-body.js';
import { refuseMoreOf } from '../user-limits.js';
import { route, type Answer, type Call, type Route } from '../route.js';

/** The client of a Basic header or of the body, checked; null where none is named. */
async function clientOf(
  { headers, address }: Call,
  body: { client_id?: string | null | undefined; client_key?: string | null | undefined },
  deps: ApiDeps,
): Promise<string | null> {
  const basic = /^Basic (.+)$/i.exec(headers['authorization'] ?? '')?.[1];
  const [id, key] = basic
    ? split(Buffer.from(basic, 'base64').toString('utf8'))
    : [body.client_id, body.client_key];
  if (!id) return null;
  refuseNul({ client_id: id }); // a Basic header may encode any bytes
  return checkClient(deps, { id, key: key ?? '', address });
}

const split = (text: string): [string, string] => [
  text.split(':')[0] ?? '',
  text.split(':').slice(1).join(':'),
];

interface Login {
  username: string;
  password: string;
}

/** Returns the user's generation as it was before the password was tried. @throws KilimError BAD_CREDENTIALS, TOO_MANY_REQUESTS, NOT_AUTHENTICATED */
async function checkPassword(
  { address }: Call,
  { username, password }: Login,
  { store, config, guesses }: ApiDeps,
): Promise<number> {
  const tenant = config.KILIM_TENANT;
  // read before the password is checked: if the password is changed meanwhile, the tokens of this log-in are invalid
  const lockout = await store.users.lockout(tenant, username);
  const user = await store.users.find(tenant, username);
  const isRight = await guesses.attempt(
    { kind: 'user', name: username, address, isKnown: user !== null },
    () => isPassword(password, user?.passwordHash ?? null, networkOf(address)),
  );
  if (!isRight) throw new KilimError('BAD_CREDENTIALS', 'Invalid username/password combination.');
  if (lockout.isDisabled) throw isDisabled(username);
  return lockout.generation;
}

async function byPassword(
  call: Call,
  { username, password, ...client }: Login,
  deps: ApiDeps,
): Promise<Answer> {
  const generation = await checkPassword(call, { username, password }, deps);
  const weak = isLoopback(deps.config.KILIM_HOST) ? null : whyWeak(password, username);
  if (weak)
    throw new KilimError(
      'NOT_AUTHORIZED',
      `The password of ${username} is weak, and others than this machine reach the API: ${weak} (kilim set-password).`,
    );
  const clientId = await clientOf(call, client, deps);
  return pair(call, deps, { user: username, clientId, generation, grant: 'password' });
}

async function byRefresh(
  call: Call,
  { refresh_token, ...client }: { refresh_token: string },
  deps: ApiDeps,
): Promise<Answer> {
  const clientId = await clientOf(call, client, deps);
  try {
    return await refresh(call, refresh_token, clientId, deps);
  } catch (error) {
    // a refresh token cannot be guessed, so a failure only delays the answer and never locks out a right token
    if (error instanceof KilimError && error.code === 'BAD_CREDENTIALS')
      await deps.guesses.failed(call.address);
    throw error;
  }
}

async function refresh(
  call: Call,
  refreshToken: string,
  clientId: string | null,
  deps: ApiDeps,
): Promise<Answer> {
  const { store, tokens, config } = deps;
  const session = await tokens.openRefresh(refreshToken);
  call.audit.user = session.user;
  if (clientId !== session.clientId)
    throw new KilimError('BAD_CREDENTIALS', 'The refresh token belongs to another client.');
  if (!(await store.users.find(config.KILIM_TENANT, session.user)))
    throw new KilimError('BAD_CREDENTIALS', 'The user of the refresh token is gone.');
  if (!(await store.users.revokeToken(session.jti, session.expires)))
    throw new KilimError('BAD_CREDENTIALS', 'The refresh token was used.');
  return pair(call, deps, { ...session, grant: 'refresh_token', count: session.count + 1 });
}

interface Session {
  user: string;
  clientId: string | null;
  generation: number;
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
    if (body.grant_type === 'refresh_token') return byRefresh(call, body, deps);
    call.audit.user = body.username;
    return byPassword(call, body, deps);
  },
});

const revoke = route({
  method: 'post',
  path: '/v3/oauth2/tokens/revoke',
  open: true,
  handle: async ({ body, audit }, { tokens }) => {
    audit.user = (await tokens.revoke(parseBody(RevokeRequest, body).token)) ?? undefined;
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

/** All keys that verify tokens. The tenant's record has room for one key only, but other services also need the retired ones. */
const publicKeys = route({
  method: 'get',
  path: '/v3/tokens/keys',
  open: true,
  handle: async (_call, { tokens }) => ({
    says: 'Keys retrieved successfully.',
    result: { keys: (await tokens.publicKeys()).jwks },
  }),
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
    handle: async ({ body, caller, audit }, deps) => {
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
      audit.resource = `/v3/oauth2/clients/${made.client_id}`;
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
export const identityRoutes: readonly Route[] = [
  login,
  revoke,
  metadata,
  publicKeys,
  ...profiles,
  ...clients,
];
