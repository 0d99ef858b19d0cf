import { KilimError } from '../../domain/errors.js';
import { UserQuery } from '../../schemas/identity.js';
import { parseBody } from '../../schemas/parse.js';
import type { ApiDeps } from '../deps.js';
import { route, type Route } from '../route.js';
import { metrics } from './metrics.js';

const SERVICES = ['jobs', 'systems', 'apps', 'files', 'security', 'tenants', 'tokens', 'authenticator'];

/** The tenant's address is the one in use: clients compare it letter by letter (specification: platform §1.3). */
const tenantRecord = async (base: string, { config, tokens }: ApiDeps): Promise<Record<string, unknown>> => ({
  tenant_id: config.KILIM_TENANT, base_url: base, site_id: config.KILIM_SITE, status: 'active', token_service: `${base}/v3/tokens`,
  security_kernel: `${base}/v3/security`, authenticator: `${base}/v3/oauth2`, owner: 'admin', admin_user: 'admin',
  token_gen_services: ['authenticator'], description: 'Kilim', service_ldap_connection_id: null, user_ldap_connection_id: null,
  create_time: '2026-01-01T00:00:00Z', last_update_time: '2026-01-01T00:00:00Z', created_by: 'admin', last_updated_by: 'admin',
  public_key: (await tokens.publicKeys()).pem,
}); // prettier-ignore

const siteRecord = (base: string, { config }: ApiDeps): Record<string, unknown> => ({
  site_id: config.KILIM_SITE, primary: true, base_url: base, tenant_base_url_template: base, site_admin_tenant_id: config.KILIM_TENANT, services: SERVICES,
}); // prettier-ignore

const only = (wanted: string | undefined, known: string, what: string): void => {
  if (wanted !== known) throw new KilimError('NOT_FOUND', `The ${what} ${wanted ?? ''} was not found.`);
};

const health = (path: string): Route =>
  route({
    method: 'get',
    path,
    open: true,
    handle: () =>
      Promise.resolve({
        says: 'TAPIS_HEALTHY Health check received.',
        result: 'Health check received. Count: 1',
      }),
  });

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

const probe = route({
  method: 'get',
  path: /^\/v3\/jobs\/(?:healthcheck|readycheck|ready)\/?$/,
  open: true,
  handle: async (_call, { store, engine }) => {
    await store.ping();
    if (!(await engine.ping())) throw new KilimError('ENGINE_UNAVAILABLE', 'Temporal does not answer.');
    return {
      says: 'TAPIS_READY Jobs is ready.',
      result: { checkNum: 1, databaseAccess: true, tenantsAccess: true, queueAccess: true },
    };
  },
});

const isAdmin = route({
  method: 'post',
  path: '/v3/security/user/isAdmin',
  reads: true,
  handle: async ({ body, caller }, { store }) => {
    const { tenant, user } = parseBody(UserQuery, body);
    if (tenant !== caller.tenant) throw new KilimError('NOT_FOUND', `The tenant ${tenant} was not found.`);
    if (user !== caller.user && !caller.isAdmin)
      throw new KilimError('NOT_AUTHORIZED', `${caller.user} may only ask about himself.`);
    return { says: 'TAPIS_AUTHORIZED', result: { isAuthorized: await store.users.isAdmin(tenant, user) } };
  },
});

/** Sites, tenants, health: what clients ask before they have a token. */
export const platformRoutes: readonly Route[] = [
  route({
    method: 'get',
    path: '/v3/sites',
    open: true,
    handle: ({ base }, deps) =>
      Promise.resolve({ says: 'Sites retrieved successfully.', result: [siteRecord(base, deps)] }),
  }),
  route({
    method: 'get',
    path: '/v3/tenants',
    open: true,
    handle: async ({ base }, deps) => ({
      says: 'Tenants retrieved successfully.',
      result: [await tenantRecord(base, deps)],
    }),
  }),
  health('/v3/jobs/hello'),
  ...['tenants', 'oauth2', 'tokens', 'security'].flatMap((service) => [
    health(`/v3/${service}/hello`),
    ready(`/v3/${service}/ready`),
  ]),
  route({
    method: 'get',
    path: '/v3/tenants/:tenant',
    open: true,
    handle: async ({ base, params }, deps) => {
      only(params['tenant'], deps.config.KILIM_TENANT, 'tenant');
      return { says: 'Tenant retrieved successfully.', result: await tenantRecord(base, deps) };
    },
  }),
  route({
    method: 'get',
    path: '/v3/sites/:site',
    open: true,
    handle: ({ base, params }, deps) => {
      only(params['site'], deps.config.KILIM_SITE, 'site');
      return Promise.resolve({ says: 'Site retrieved successfully.', result: siteRecord(base, deps) });
    },
  }),
  probe,
  isAdmin,
  health('/v3/healthz'),
  metrics,
  ready('/v3/ready'),
  ...['systems', 'apps', 'files', 'security'].flatMap((service) => [
    health(`/v3/${service}/healthcheck`),
    ready(`/v3/${service}/readycheck`),
  ]),
];
