import { describe, expect, it } from 'vitest';

import { choiceOfSystems } from '../../../domain/jobs/plan/choice-of-systems.js';
import { KEEPER } from '../../../domain/jobs/keeper.js';
import type { JobRequest } from '../../../domain/jobs/request.js';
import type { JobAttributes } from '../../../domain/apps/app.js';
import {
  aCluster,
  anApp,
  anInput,
  aParameterSet,
  aQueue,
  aRequest,
  aSystem,
  faultsOf,
  NOW,
  planOf,
} from './a-plan-input.js';

describe('planJob', () => {
  it('settles a plain job', () => {
    const { plan, env } = planOf(
      { tags: ['b', 'a'], nodeCount: 0 },
      { app: anApp({}, { tags: ['a', 'c'], memoryMB: 0, maxMinutes: 7 }) },
    );
    expect(plan).toMatchObject({
      owner: 'alice', createdby: 'alice', tenant: 'dev', description: 'img-0.1 submitted by alice@dev', jobType: 'FORK', keeper: 'docker',
      archiveMode: 'ALWAYS', nodeCount: 1, coresPerNode: 1, memoryMB: 100, maxMinutes: 7, tags: ['a', 'b', 'c'], notes: {},
      exec: { systemId: 'vm', loginUser: 'al', asUser: 'alice' }, containerEngine: 'docker', execSystemConstraints: null, prefix: '',
    }); // prettier-ignore
    expect(plan.envNames).toEqual(env.map(({ key }) => key));
    expect(Object.fromEntries(env.map(({ key, value }) => [key, value]))).toMatchObject({
      _tapisAppId: 'img', _tapisAppVersion: '0.1', _tapisArchiveOnAppError: 'true', _tapisArchiveMode: 'ALWAYS', _tapisDynamicExecSystem: 'false',
      _tapisEffectiveUserId: 'al', _tapisJobCreateDate: '2026-04-26Z', _tapisJobCreateTime: '18:44:55.544145Z', _tapisJobCreateTimestamp: NOW,
      _tapisJobName: 'my-job', _tapisStdoutFilename: 'tapisjob.out', _tapisSysHost: 'vm.example.org', _tapisSysRootDir: '/home',
    }); // prettier-ignore
    expect(env.map(({ key }) => key)).not.toContain('_tapisSysBucketName');
  });

  it('takes engine and repeatability from the settings', () => {
    const exec = aSystem({ notes: { kilim: { containerEngine: 'podman', containerEngineArgs: ['--x'] } } });
    const app = anApp({ notes: { kilim: { repeatable: true } } });
    expect(planOf({}, { app, systems: { exec, archive: null } }).plan).toMatchObject({
      containerEngine: 'podman',
      containerEngineArgs: ['--x'],
      repeatable: true,
    });
  });

  it.each<[Partial<JobRequest>, Partial<JobAttributes>, string]>([
    [{}, {}, 'ALWAYS'],
    [{}, { archiveOnAppError: false }, 'SKIP_ON_FAIL'],
    [{}, { archiveOnAppError: false, archiveMode: 'NEVER' }, 'NEVER'],
    [{ archiveOnAppError: true }, { archiveMode: 'NEVER' }, 'ALWAYS'],
    [{ archiveOnAppError: true, archiveMode: 'NEVER' }, {}, 'NEVER'],
  ])('archives: %j %j → %s', (request, ours, expected) => {
    expect(planOf(request, { app: anApp({}, ours) }).plan.archiveMode).toBe(expected);
  });

  it.each<[string[] | null, string[], string | null]>([
    [['a', 'b'], ['c'], '(a b) AND (c)'],
    [['a'], [], 'a'],
    [null, ['c', 'd'], 'c d'],
    [null, [], null],
  ])('keeps constraints %j and %j as %s', (execSystemConstraints, theirs, expected) => {
    expect(
      planOf({ execSystemConstraints }, { app: anApp({}, { execSystemConstraints: theirs }) }).plan
        .execSystemConstraints,
    ).toBe(expected);
  });

  it('serves the pairs of the table and refuses the others', () => {
    for (const runtime of ['DOCKER', 'SINGULARITY', 'ZIP'] as const) {
      for (const jobType of ['FORK', 'BATCH'] as const) {
        const found = faultsOf({
          app: anApp({ runtime, jobType }),
          systems: {
            exec: aCluster({ batchLogicalQueues: [aQueue({ minCoresPerNode: 0 })] }),
            archive: null,
          },
        });
        expect(found.length === 0, `${runtime} ${jobType}: ${found.join()}`).toBe(
          KEEPER[runtime][jobType] !== undefined,
        );
      }
    }
  });

  it('serves on this machine itself what the table says', () => {
    const here = (runtime: 'DOCKER' | 'SINGULARITY' | 'ZIP') =>
      faultsOf({ app: anApp({ runtime, jobType: 'FORK' }), hostKind: 'local' });
    expect(here('ZIP')).toEqual([]);
    expect(here('DOCKER')).toEqual([]);
    expect(here('SINGULARITY').join()).toContain(
      'is this machine without an sshd, where SINGULARITY as FORK',
    );
  });

  it.each<[string, Parameters<typeof faultsOf>[0]]>([
    ['owner: "bob"', { request: aRequest({ owner: 'bob' }) }],
    ['tenant: "other"', { request: aRequest({ tenant: 'other' }) }],
    ['dynamicExecSystem: true is not supported', { request: aRequest({ dynamicExecSystem: true }) }],
    ['appId: "img 0.1" is not enabled', { app: anApp({ enabled: false }) }],
    ['appId: "img 0.1" is not enabled', { app: anApp({ versionEnabled: false }) }],
    ['execSystemId: "vm" is not enabled', { systems: { exec: aSystem({ enabled: false }), archive: null } }],
    ['canExec', { systems: { exec: aSystem({ canExec: false }), archive: null } }],
    ['has no jobWorkingDir', { systems: { exec: aSystem({ jobWorkingDir: null }), archive: null } }],
    ['has no jobRuntimes', { systems: { exec: aSystem({ jobRuntimes: [] }), archive: null } }],
    [
      'archiveSystemId: "s" is not enabled',
      { systems: { exec: aSystem(), archive: aSystem({ id: 's', enabled: false }) } },
    ],
    ['name: "a\\u0007b" contains a control character', { request: aRequest({ name: 'a\u0007b' }) }],
    ['effectiveUserId: "a;b"', { loginUsers: { vm: 'a;b' } }],
  ])('refuses %s', (fault, given) => {
    expect(faultsOf(given)).toEqual([expect.stringContaining(fault)]);
  });

  it('names all faults at once, one a line', () => {
    const request = aRequest({
      owner: 'bob',
      execSystemExecDir: '../x',
      parameterSet: { appArgs: [{ arg: 'a|b' }], envVariables: [{ key: '1' }] },
    });
    const found = faultsOf({ request });
    expect(found).toHaveLength(4);
    for (const line of found) expect(line).toMatch(/^[\w.]+: ".*" \w/);
  });

  it('lets an administrator submit for another', () => {
    const { plan } = planOf({ owner: 'bob' }, { caller: { tenant: 'dev', user: 'alice', isAdmin: true } });
    expect(plan).toMatchObject({ owner: 'bob', createdby: 'alice', exec: { asUser: 'bob' } });
  });

  it('is pure', () => {
    const input = anInput();
    const before = structuredClone(input);
    expect(planOf(input.request, input)).toEqual(planOf(input.request, input));
    expect(input).toEqual(before);
  });
});

describe('choiceOfSystems', () => {
  it('names what must be loaded', () => {
    expect(choiceOfSystems(aRequest(), anApp())).toMatchObject({
      execSystemId: 'vm',
      archiveSystemId: null,
      dtnWanted: false,
    });
    const other = choiceOfSystems(
      aRequest({ execSystemId: 'hpc', archiveSystemId: 'vm', dtnSystemInputDir: 'd' }),
      anApp(),
    );
    expect(other).toMatchObject({ execSystemId: 'hpc', archiveSystemId: 'vm', dtnWanted: true });
  });

  it('names the profile: of the options, wherever they come from, else of the system', () => {
    const ours = aParameterSet({
      schedulerOptions: [{ name: 'p', arg: '--tapis-profile app', inputMode: 'INCLUDE_BY_DEFAULT' }],
    });
    const exec = aSystem({ batchSchedulerProfile: 'site' });
    expect(choiceOfSystems(aRequest(), anApp()).profileName(exec)).toBe('site');
    expect(choiceOfSystems(aRequest(), anApp()).profileName(aSystem())).toBeNull();
    expect(choiceOfSystems(aRequest(), anApp({}, { parameterSet: ours })).profileName(exec)).toBe('app');
    const without = aRequest({
      parameterSet: { schedulerOptions: [{ name: 'p', arg: 'x', include: false }] },
    });
    expect(choiceOfSystems(without, anApp({}, { parameterSet: ours })).profileName(exec)).toBe('site');
  });

  it.each([
    [{ execSystemId: null }, 'execSystemId: is named neither'],
    [{ execSystemId: null, dynamicExecSystem: true }, 'dynamicExecSystem: true is not supported'],
  ])('refuses %j', (ours, rule) => {
    expect(() => choiceOfSystems(aRequest(), anApp({}, ours))).toThrow(rule);
  });
});
