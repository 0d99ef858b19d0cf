import { describe, expect, it } from 'vitest';

import { Faults } from '../../../domain/jobs/plan/faults.js';
import { settleArguments } from '../../../domain/jobs/plan/parameter-set.js';
import type { JobRequest } from '../../../domain/jobs/request.js';
import type { LogicalQueue, SchedulerProfile } from '../../../domain/systems/system.js';
import {
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

const aProfile = (name: string): SchedulerProfile => ({
  tenant: 'dev', name, uuid: 'p', description: null, owner: 'olga', moduleLoads: [{ moduleLoadCommand: 'module load', modulesToLoad: ['x'] }],
  hiddenOptions: ['MEM'], created: NOW, updated: NOW,
}); // prettier-ignore

describe('the parameter set (§2.7.2, §2.7.4, §2.7.5)', () => {
  it('adds the profile of the system, and keeps its option on the record', () => {
    const systems = { exec: aSystem({ batchSchedulerProfile: 'tacc' }), archive: null };
    const { plan } = planOf({}, { systems, profile: aProfile('tacc') });
    expect(plan.schedulerOptions).toMatchObject([
      { name: 'synthetic_tapis_profile', arg: '--tapis-profile tacc' },
    ]);
    expect(plan).toMatchObject({ moduleLoads: aProfile('tacc').moduleLoads, hiddenOptions: ['MEM'] });
    const own = planOf(
      { parameterSet: { schedulerOptions: [{ arg: '--tapis-profile mine' }] } },
      { systems, profile: aProfile('mine') },
    );
    expect(own.plan.schedulerOptions.map(({ arg }) => arg)).toEqual(['--tapis-profile mine']);
  });

  it.each<[string, JobRequest['parameterSet']]>([
    ['was not found', { schedulerOptions: [{ arg: '--tapis-profile nope' }] }],
    ['must read', { schedulerOptions: [{ arg: '--tapis-profile a b' }] }],
    ['second', { schedulerOptions: [{ arg: '--tapis-profile tacc' }, { arg: '--tapis-profile x' }] }],
    ['only for ZIP', { containerArgs: [{ arg: '--tapis-zip-save' }] }],
    ['contains one of', { appArgs: [{ arg: 'a; b' }] }],
    ['control character', { appArgs: [{ arg: 'a\tb' }] }],
    ['in the name of the option', { containerArgs: [{ arg: '--x&y z' }] }],
    ['control character', { containerArgs: [{ arg: '--env a\nb' }] }],
    ['in the name of the option', { schedulerOptions: [{ arg: '--a|b=c' }] }],
    ['not closed', { archiveFilter: { includes: ['{a'] } }],
    ['archiveFilter', { archiveFilter: { excludes: ['REGEX:('] } }],
    ['contains a control character or one of', { logConfig: { stdoutFilename: 'a;b', stderrFilename: 'b' } }],
    ['may not contain ..', { logConfig: { stdoutFilename: '../a', stderrFilename: 'b' } }],
    ['both names or neither', { logConfig: { stdoutFilename: 'a', stderrFilename: '' } }],
    ['not known here', { logConfig: { stdoutFilename: '${No}', stderrFilename: 'b' } }],
  ])('%s: %j', (rule, parameterSet) => {
    expect(
      faultsOf({ request: aRequest({ parameterSet: parameterSet ?? {} }), profile: aProfile('tacc') }),
    ).toEqual([expect.stringContaining(rule)]);
  });

  it('leaves what no shell splits: dangerous characters in values of options', () => {
    expect(
      faultsOf({
        request: aRequest({
          parameterSet: { containerArgs: [{ arg: '--label a&b' }], appArgs: [{ arg: '\'$(x)\' "y"' }] },
        }),
      }),
    ).toEqual([]);
  });

  it('knows one option for ZIP', () => {
    const app = anApp({ runtime: 'ZIP' });
    expect(
      faultsOf({
        app,
        request: aRequest({ parameterSet: { containerArgs: [{ arg: '--tapis-zip-save' }] } }),
      }),
    ).toEqual([]);
    expect(
      faultsOf({ app, request: aRequest({ parameterSet: { containerArgs: [{ arg: '--rm' }] } }) }),
    ).toHaveLength(1);
  });

  it('replaces macros leniently, once, and checks what comes of it', () => {
    const parameterSet = {
      appArgs: [{ arg: '${JobName} ${Nope} ${StdoutFilename}' }],
      archiveFilter: { includes: ['${JobOwner}/*'] },
    };
    const { plan } = planOf({ parameterSet });
    expect(plan.appArgs[0]?.arg).toBe('my-job ${Nope} tapisjob.out');
    expect(plan.archiveFilter.includes).toEqual(['alice/*']);
    expect(
      faultsOf({ request: aRequest({ name: 'a;b', parameterSet: { appArgs: [{ arg: '${JobName}' }] } }) }),
    ).toHaveLength(1);
  });

  it('puts the filters of the request first, and launch files in', () => {
    const ours = aParameterSet({
      archiveFilter: { includes: ['a'], excludes: ['b'], includeLaunchFiles: false },
    });
    const app = anApp({}, { parameterSet: ours });
    expect(planOf({ parameterSet: { archiveFilter: { includes: ['x'], excludes: ['y'] } } }, { app }).plan.archiveFilter).toEqual({
      includes: ['x', 'a'], excludes: ['y', 'b'], includeLaunchFiles: false,
    }); // prettier-ignore
    expect(planOf({}).plan.archiveFilter.includeLaunchFiles).toBe(true);
    const bare = anApp({}, { parameterSet: { ...aParameterSet(), archiveFilter: null } as never });
    expect(planOf({}, { app: bare }).plan.archiveFilter).toEqual({
      includes: [],
      excludes: [],
      includeLaunchFiles: true,
    });
  });

  it('names the logs by request, application, default', () => {
    const app = anApp(
      {},
      { parameterSet: aParameterSet({ logConfig: { stdoutFilename: 'o', stderrFilename: 'e' } }) },
    );
    expect(planOf({}, { app }).plan.logConfig).toEqual({ stdoutFilename: 'o', stderrFilename: 'e' });
    expect(planOf({}).plan.logConfig).toEqual({
      stdoutFilename: 'tapisjob.out',
      stderrFilename: 'tapisjob.out',
    });
    const own = planOf(
      { parameterSet: { logConfig: { stdoutFilename: 'logs/${JobUUID}', stderrFilename: '/e' } } },
      { app },
    );
    expect(own.plan.logConfig).toEqual({ stdoutFilename: `logs/${own.plan.uuid}`, stderrFilename: 'e' });
  });

  it('lays the options of the logical queue below those of the application', () => {
    const queue: LogicalQueue = aQueue({
      schedulerOptions: [
        { name: 'a', arg: '-A q', inputMode: 'REQUIRED' },
        { name: 'q', arg: '--qos q', inputMode: 'REQUIRED' },
      ],
    });
    const app = anApp(
      {},
      {
        parameterSet: aParameterSet({
          schedulerOptions: [{ name: 'a', arg: '-A app', inputMode: 'REQUIRED' }],
        }),
      },
    );
    expect(
      settleArguments(new Faults(), anInput({ app }), queue, {}).schedulerOptions.map(({ arg }) => arg),
    ).toEqual(['--qos q', '-A app']);
  });
});
