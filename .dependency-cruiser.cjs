/** Who may import whom: the table of rooms in README.md. Arrows point to domain/ and never back. */
const room = (name, allowed, except = '') => ({
  name: `${name}-imports`,
  severity: 'error',
  from: { path: `^${name}/`, ...(except ? { pathNot: except } : {}) },
  to: {
    path: '^(domain|ops|schemas|runtimes|schedulers|hosts|store|activities|workflows|api|worker|launcher|cli|bench)/',
    pathNot: `^(${[name, ...allowed].join('|')})/`,
  },
});

module.exports = {
  forbidden: [
    {
      name: 'no-circles',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    room('domain', []),
    room('ops', []),
    room('schemas', ['domain']),
    room('runtimes', ['domain']),
    room('schedulers', ['domain']),
    room('hosts', ['domain']),
    room('store', ['domain']),
    room('activities', ['domain', 'runtimes', 'schedulers', 'hosts', 'store']),
    // workflows may know the types of activities, never their code
    {
      ...room('workflows', ['domain']),
      to: { ...room('workflows', ['domain']).to, dependencyTypesNot: ['type-only'] },
    },
    room('api', ['domain', 'ops', 'schemas', 'store', 'hosts', 'runtimes', 'schedulers']),
    room('worker', [
      'domain',
      'ops',
      'schemas',
      'store',
      'hosts',
      'runtimes',
      'schedulers',
      'activities',
      'workflows',
    ]),
    room('launcher', ['domain', 'schemas']),
    // it measures from outside, over HTTP
    room('bench', []),
    room('cli', ['launcher'], '^cli/(maintenance|backup|orphans)\\.ts$'),
    {
      name: 'only-hosts-speak-ssh',
      severity: 'error',
      from: { pathNot: '^hosts/' },
      to: { path: 'node_modules/ssh2/' },
    },
    {
      name: 'no-zod-in-the-engine',
      severity: 'error',
      from: { path: '^(domain|workflows|activities)/' },
      to: { path: 'node_modules/zod/' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
  },
};
