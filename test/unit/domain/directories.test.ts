import { describe, expect, it } from 'vitest';

import { hostEvalsNeeded } from '../../../domain/jobs/plan/directories.js';
import type { JobRequest } from '../../../domain/jobs/request.js';
import { anApp, aRequest, aSystem, faultsOf, planOf, UUID } from './a-plan-input.js';

const s3 = aSystem({ id: 'store', rootDir: '/data', canExec: false });

describe('directories (§4)', () => {
  it('have their defaults', () => {
    const { plan } = planOf({});
    const dir = `/scratch/jobs/${UUID}`;
    expect(plan).toMatchObject({
      execSystemExecDir: dir, execSystemInputDir: dir, execSystemOutputDir: `${dir}/output`, archiveSystemDir: `${dir}/output`, archivesInPlace: true,
      paths: { rootDir: '/home', execDir: `/home${dir}`, inputDir: `/home${dir}`, outputDir: `/home${dir}/output` },
    }); // prettier-ignore
  });

  it('archive to another system below its root', () => {
    const { plan } = planOf({ archiveSystemId: 'store' }, { systems: { exec: aSystem(), archive: s3 } });
    expect(plan).toMatchObject({
      archiveSystemDir: `/jobs/${UUID}/archive`,
      archivesInPlace: false,
      archive: { systemId: 'store', rootDir: '/data' },
    });
  });

  it('treat an equal archive system as the execution system', () => {
    expect(
      planOf({ archiveSystemId: 'vm' }, { systems: { exec: aSystem(), archive: aSystem() } }).plan
        .archivesInPlace,
    ).toBe(true);
    expect(planOf({ archiveSystemDir: 'elsewhere' }).plan.archivesInPlace).toBe(false);
  });

  it.each<[Partial<JobRequest>, string, string]>([
    [{ execSystemExecDir: 'a//b/' }, 'execSystemExecDir', '/a/b'],
    [
      { execSystemExecDir: '${JobWorkingDir}/${JobOwner}/${JobName}' },
      'execSystemExecDir',
      '/scratch/alice/my-job',
    ],
    [
      { execSystemInputDir: '/in', execSystemExecDir: '${ExecSystemInputDir}/x' },
      'execSystemExecDir',
      '/in/x',
    ],
    [{ execSystemInputDir: '${ExecSystemExecDir}/x', execSystemExecDir: '/e' }, 'execSystemInputDir', '/e/x'], // a literal one may be used before its turn
    [{ archiveSystemDir: '${ExecSystemOutputDir}/a', execSystemOutputDir: 'o' }, 'archiveSystemDir', '/o/a'],
    [{ execSystemExecDir: 'a..b' }, 'execSystemExecDir', '/a..b'],
    [{ execSystemExecDir: '${EffectiveUserId}/${MemoryMB}' }, 'execSystemExecDir', '/al/100'],
  ])('%j', (request, field, expected) => {
    expect(planOf(request).plan).toHaveProperty(field, expected);
  });

  it.each<[Partial<JobRequest>, string]>([
    [{ execSystemExecDir: 'a/../b' }, 'may not contain ..'],
    [{ name: '..', execSystemExecDir: 'a/${JobName}' }, 'may not contain ..'],
    [{ execSystemExecDir: 'a\tb' }, 'control character'],
    [{ execSystemExecDir: '${Nope}' }, '${Nope}'],
    [{ execSystemExecDir: '${}' }, 'without a name'],
    [{ execSystemExecDir: '${JobUUID' }, 'not closed'],
    [{ execSystemInputDir: '${ExecSystemOutputDir}' }, 'not known here'], // comes later
    [{ execSystemExecDir: 'x/HOST_EVAL($A)' }, 'only at its start'],
    [{ execSystemExecDir: 'HOST_EVAL($A)' }, 'no default'],
    [{ execSystemExecDir: 'HOST_EVAL($A,)' }, 'must read HOST_EVAL'],
  ])('refuses %j', (request, rule) => {
    const found = faultsOf({ request: aRequest(request) });
    expect(found).toHaveLength(1);
    expect(found[0]).toContain(rule);
    expect(found[0]).toMatch(/^execSystem(Exec|Input)Dir: "/);
  });
});

describe('HOST_EVAL', () => {
  it.each<[string, string | null, string, string]>([
    ['HOST_EVAL($A)/x', '/home/al', '/home', '/al/x'], // below the root: relative to it
    ['HOST_EVAL($A)/x', '/homer/al', '/home', '/homer/al/x'],
    ['HOST_EVAL($A)', '/home', '/home', '/'],
    ['HOST_EVAL($A)/${JobOwner}', '/scratch', '/', '/scratch/alice'],
    ['HOST_EVAL($A, /d)', null, '/home', '/d'],
    ['HOST_EVAL($A, /d)', '', '/home', '/d'],
    ['HOST_EVAL($A, /d)', '/v', '/home', '/v'],
  ])('%s, where the host says %s and the root is %s', (text, said, rootDir, expected) => {
    const { plan } = planOf(
      { execSystemExecDir: text },
      { systems: { exec: aSystem({ rootDir }), archive: null }, hostEvals: { 'vm:A': said } },
    );
    expect(plan.execSystemExecDir).toBe(expected);
  });

  it.each(['/a/../b', '/a\u0007'])('refuses what the host says: %j', (said) => {
    expect(
      faultsOf({ request: aRequest({ execSystemExecDir: 'HOST_EVAL($A)' }), hostEvals: { 'vm:A': said } }),
    ).toHaveLength(1);
  });

  it('settles rootDir', () => {
    const exec = aSystem({ rootDir: 'HOST_EVAL($HOME)/k', jobWorkingDir: 'HOST_EVAL($HOME)/k/w' });
    const { plan, env } = planOf(
      {},
      { systems: { exec, archive: null }, hostEvals: { 'vm:HOME': '/home/al' } },
    );
    expect(plan.exec.rootDir).toBe('/home/al/k');
    expect(plan.paths.execDir).toBe(`/home/al/k/w/jobs/${UUID}`);
    expect(env).toContainEqual(expect.objectContaining({ key: '_tapisSysRootDir', value: '/home/al/k' }));
  });

  it('is asked for only where the value wins, each once, on its own system', () => {
    const exec = aSystem({ jobWorkingDir: 'HOST_EVAL($WORK)/x', rootDir: 'HOST_EVAL($HOME)' });
    const app = anApp({}, { execSystemExecDir: 'HOST_EVAL($LOST)', archiveSystemDir: 'HOST_EVAL($WORK)' });
    const request = aRequest({
      execSystemExecDir: 'e',
      execSystemInputDir: 'HOST_EVAL(WORK)',
      execSystemOutputDir: 'HOST_EVAL($A b)',
    });
    expect(hostEvalsNeeded({ request, app, systems: { exec, archive: s3 } })).toEqual([
      { systemId: 'vm', variable: 'HOME' },
      { systemId: 'vm', variable: 'WORK' },
      { systemId: 'store', variable: 'WORK' },
    ]);
  });
});

describe('the transfer node (§2.5)', () => {
  const exec = aSystem({ dtnSystemId: 'dtn' });
  const dtn = aSystem({ id: 'dtn', canExec: false });
  const asks = { dtnSystemInputDir: 'in/${JobUUID}' };

  it('is used where one of its directories is set', () => {
    const { plan, env } = planOf(asks, { systems: { exec, archive: null, dtn } });
    expect(plan.dtn).toMatchObject({ systemId: 'dtn', inputDir: `/in/${UUID}`, outputDir: null });
    expect(plan.dtn).toMatchObject({ asUser: 'alice', rootDir: plan.exec.rootDir });
    expect(env.map(({ key }) => key)).toEqual(
      expect.arrayContaining(['_tapisDtnSystemId', '_tapisDtnSystemInputDir']),
    );
    expect(planOf({}, { systems: { exec, archive: null, dtn } }).plan.dtn).toBeNull();
    expect(planOf(asks).plan.dtn).toBeNull(); // the system has none
  });

  it('is switched off by the request', () => {
    const app = anApp({}, { dtnSystemInputDir: 'in' });
    expect(
      planOf({ dtnSystemInputDir: '!tapis_not_set' }, { app, systems: { exec, archive: null, dtn } }).plan
        .dtn,
    ).toBeNull();
  });

  it.each([
    ['not found', { exec, archive: null }],
    ['not enabled', { exec, archive: null, dtn: { ...dtn, enabled: false } }],
    ['rootDir', { exec, archive: null, dtn: { ...dtn, rootDir: '/other' } }],
    ['itself', { exec: { ...exec, dtnSystemId: 'vm' }, archive: null, dtn: exec }],
  ])('%s', (rule, systems) => {
    expect(faultsOf({ request: aRequest(asks), systems })).toEqual([expect.stringContaining(rule)]);
  });
});
