import { RateLimiterMemory } from 'rate-limiter-flexible';

import { KilimError } from '../../domain/errors.js';
import { TokenRequest } from '../../schemas/identity.js';
import { parseBody } from '../../schemas/parse.js';
import type { ApiDeps } from '../deps.js';
import { isPassword } from '../identity/passwords.js';
import { route, type Route } from '../route.js';

const SITE = 'local';
const SERVICES = ['jobs', 'systems', 'apps', 'files', 'tenants', 'authenticator'];

/** The tenant's address is the one in use: clients compare it letter by letter (specification: platform §1.3). */
const tenantRecord = (base: string, { config, tokens }: ApiDeps): Record<string, unknown> => ({
  tenant_id: config.KILIM_TENANT, base_url: base, site_id: SITE, status: 'active', token_service: `${base}/v3/tokens`,
  security_kernel: `${base}/v3/security`, authenticator: `${base}/v3/oauth2`, owner: 'admin', admin_user: 'admin',
  token_gen_services: ['authenticator'], description: 'Kilim', service_ldap_connection_id: null, user_ldap_connection_id: null,
  create_time: '2026-01-01T00:00:00Z', last_update_time: '2026-01-01T00:00:00Z', created_by: 'admin', last_updated_by: 'admin',
  public_key: tokens.publicKey,
}); // prettier-ignore

const siteRecord = (base: string, { config }: ApiDeps): Record<string, unknown> => ({
  site_id: SITE, primary: true, base_url: base, tenant_base_url_template: base, site_admin_tenant_id: config.KILIM_TENANT, services: SERVICES,
}); // prettier-ignore

const only = (wanted: string | undefined, known: string, what: string): void => {
  if (wanted !== known) throw new KilimError('NOT_FOUND', `The ${what} ${wanted ?? ''} was not found.`);
};

// ten failures a quarter of an hour for a user and address
const failures = new RateLimiterMemory({ points: 10, duration: 900 });

const login = route({
  method: 'post',
  path: '/v3/oauth2/tokens',
  open: true,
  handle: async ({ base, body, request }, { store, tokens, config }) => {
    const { username, password } = parseBody(TokenRequest, body);
    const who = `${username} ${request.socket.remoteAddress ?? ''}`;
    if (((await failures.get(who))?.remainingPoints ?? 1) <= 0) throw new KilimError('TOO_MANY_REQUESTS', 'Too many failed log-ins; try again in a quarter of an hour.');
    const user = await store.users.find(config.KILIM_TENANT, username);
    if (!(await isPassword(password, user?.passwordHash ?? null))) {
      await failures.consume(who).catch(() => undefined);
      throw new KilimError('BAD_CREDENTIALS', 'Invalid username/password combination.');
    }
    return { says: 'Token created successfully.', result: { access_token: await tokens.issue(base, config.KILIM_TENANT, username) } };
  },
});

const health = (path: string): Route =>
  route({ method: 'get', path, open: true, handle: () => Promise.resolve({ says: 'TAPIS_HEALTHY Health check received.', result: 'Health check received. Count: 1' }) });

const ready = (path: string): Route =>
  route({
    method: 'get',
    path,
    open: true,
    handle: async (_call, { store, engine }) => {
      await store.ping();
      if (!(await engine.ping())) throw new KilimError('ENGINE_UNAVAILABLE', 'Temporal does not answer.');
      return { says: 'TAPIS_READY Ready.', result: 'Ready check received. Count: 1' };
    },
  });

/** Sites, tenants, log-in, health: what clients ask before they have a token. */
export const platformRoutes: readonly Route[] = [
  route({ method: 'get', path: '/v3/sites', open: true, handle: ({ base }, deps) => Promise.resolve({ says: 'Sites retrieved successfully.', result: [siteRecord(base, deps)] }) }),
  route({ method: 'get', path: '/v3/tenants', open: true, handle: ({ base }, deps) => Promise.resolve({ says: 'Tenants retrieved successfully.', result: [tenantRecord(base, deps)] }) }),
  ...['/v3/tenants/hello', '/v3/tenants/ready', '/v3/oauth2/hello', '/v3/oauth2/ready'].map(health),
  route({
    method: 'get',
    path: '/v3/tenants/:tenant',
    open: true,
    handle: ({ base, params }, deps) => {
      only(params['tenant'], deps.config.KILIM_TENANT, 'tenant');
      return Promise.resolve({ says: 'Tenant retrieved successfully.', result: tenantRecord(base, deps) });
    },
  }),
  route({
    method: 'get',
    path: '/v3/sites/:site',
    open: true,
    handle: ({ base, params }, deps) => {
      only(params['site'], SITE, 'site');
      return Promise.resolve({ says: 'Site retrieved successfully.', result: siteRecord(base, deps) });
    },
  }),
  login,
  health('/v3/healthz'),
  ready('/v3/ready'),
  ...['jobs', 'systems', 'apps', 'files'].flatMap((service) => [health(`/v3/${service}/healthcheck`), ready(`/v3/${service}/readycheck`)]),
];
