// Who may import whom: the table of the style page, edge by edge. Arrows point to domain/ and never back.
const ROOMS = {
  domain: [],
  schemas: ['domain'],
  runtimes: ['domain'],
  schedulers: ['domain'],
  hosts: ['domain'],
  store: ['domain'],
  activities: ['domain', 'runtimes', 'schedulers', 'hosts', 'store'],
  workflows: ['domain'],
  api: ['domain', 'schemas', 'store', 'hosts', 'runtimes', 'schedulers'],
  worker: ['domain', 'schemas', 'store', 'hosts', 'runtimes', 'schedulers', 'activities', 'workflows'],
  launcher: ['domain', 'schemas'],
  cli: ['launcher'],
};
/** What a room may use as types only: erased before anything runs. */
const TYPES = { workflows: ['activities', 'schemas'], api: ['workflows'], activities: ['workflows'] };

const anyOf = (names) => `^(${names.join('|')})/`;

const rooms = Object.entries(ROOMS).map(([room, allowed]) => ({
  name: `${room}-imports`,
  comment: `${room}/ may import ${allowed.join(', ') || 'nothing but itself'}.`,
  severity: 'error',
  // cli/maintenance.ts is a composition root of its own: the store's upkeep, without a server
  from: { path: `^${room}/`, ...(room === 'cli' ? { pathNot: '^cli/maintenance\\.ts$' } : {}) },
  to: {
    path: anyOf(Object.keys(ROOMS)),
    pathNot: anyOf([room, ...allowed, ...(TYPES[room] ?? [])]),
  },
}));
const typesOnly = Object.entries(TYPES).map(([room, others]) => ({
  name: `${room}-types-only`,
  comment: `${room}/ may use ${others.join(' and ')} for types only.`,
  severity: 'error',
  from: { path: `^${room}/` },
  to: { path: anyOf(others), dependencyTypesNot: ['type-only', 'pre-compilation-only'] },
}));

module.exports = {
  forbidden: [
    { name: 'no-circles', severity: 'error', from: {}, to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } } },
    { name: 'found', comment: 'An import that leads nowhere.', severity: 'error', from: {}, to: { couldNotResolve: true } },
    ...rooms,
    ...typesOnly,
    {
      name: 'maintenance',
      comment: 'cli/maintenance.ts opens the store and nothing else.',
      severity: 'error',
      from: { path: '^cli/maintenance\\.ts$' },
      to: { path: anyOf(Object.keys(ROOMS)), pathNot: anyOf(['cli', 'domain', 'schemas', 'store']) },
    },
    { name: 'ssh2-in-hosts', severity: 'error', from: { pathNot: '^(hosts|test)/' }, to: { path: 'node_modules/(@types/)?ssh2/' } },
    { name: 'sql-in-store', severity: 'error', from: { pathNot: '^(store|test)/' }, to: { path: 'node_modules/(kysely|better-sqlite3|pg)/' } },
    {
      name: 'zod-in-schemas',
      comment: 'zod multiplies the memory of every cached workflow by five.',
      severity: 'error',
      from: { path: '^(domain|workflows|runtimes|schedulers)/' },
      to: { path: 'node_modules/zod/' },
    },
    {
      name: 'pure-domain',
      comment: 'No clock, file or socket where the workflow sandbox loads it.',
      severity: 'error',
      from: { path: '^(domain|workflows)/' },
      to: { dependencyTypes: ['core'] },
    },
    { name: 'express-in-api', severity: 'error', from: { pathNot: '^(api|test)/' }, to: { path: 'node_modules/(@types/)?express/' } },
    { name: 'worker-is-a-root', severity: 'error', from: { pathNot: '^(worker|test|bench)/' }, to: { path: '^worker/' } },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^(dist|web)/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default', 'types'], extensions: ['.ts', '.js', '.mjs', '.json'] },
  },
};
