import { describe, expect, it } from 'vitest';

import type { JobFileInput, JobFileInputArray } from '../../../domain/jobs/request.js';
import type { AppFileInput, AppFileInputArray } from '../../../domain/apps/app.js';
import { anApp, faultsOf, aRequest, planOf } from './a-plan-input.js';

const withApp = (fileInputs: AppFileInput[], strictFileInputs = false) => ({
  app: anApp({ strictFileInputs }, { fileInputs }),
});
const lands = (fileInputs: JobFileInput[], app: AppFileInput[] = []) =>
  planOf({ fileInputs }, withApp(app)).plan.inputs.map(
    ({ sourceUrl, targetPath }) => `${sourceUrl} → ${targetPath}`,
  );
const faults = (fileInputs: JobFileInput[], app: AppFileInput[] = [], strict = false) =>
  faultsOf({ ...withApp(app, strict), request: aRequest({ fileInputs }) });

describe('where an input lands (§9.4)', () => {
  it.each<[string, string | null, string]>([
    ['tapis://s/a/b.txt', null, 'b.txt'],
    ['tapis://s/a/b.txt', ' ', 'b.txt'],
    ['tapis://s/a/b.txt', '*', 'b.txt'],
    ['tapis://s/a/b.txt', 'in/x.txt', 'in/x.txt'],
    ['tapis://s/a/b.txt', '//in//x.txt/', 'in/x.txt'],
    ['tapis://s/a/dir', '*', 'dir'],
    ['https://e.org/p/q.jpg?x=1/2#f', '*', 'q.jpg'],
    ['tapis://s/${JobOwner}/b', '${JobUUID}/b', '11111111-1111-4111-8111-111111111111-007/b'],
  ])('%s to %s', (sourceUrl, targetPath, expected) => {
    expect(planOf({ fileInputs: [{ sourceUrl, targetPath }] }).plan.inputs[0]?.targetPath).toBe(expected);
  });

  it('rewrites the host of tapislocal', () => {
    expect(lands([{ sourceUrl: 'tapislocal://vm//x/y', targetPath: '*' }])).toEqual([
      'tapislocal://exec.tapis/x/y → y',
    ]);
  });

  it('asks the host for the start of a tapislocal path', () => {
    const { plan } = planOf(
      { fileInputs: [{ sourceUrl: 'tapislocal://exec.tapis/HOST_EVAL($DATA)/y' }] },
      { hostEvals: { 'vm:DATA': '/home/al/data' } },
    );
    expect(plan.inputs[0]).toMatchObject({ sourceUrl: 'tapislocal://exec.tapis/al/data/y', targetPath: 'y' });
  });

  it.each<[string, JobFileInput]>([
    ['needs a targetPath', { sourceUrl: 'tapis://s/a/', targetPath: '*' }],
    ['has no sourceUrl', { targetPath: 'x' }],
    ['must start with', { sourceUrl: '/a/b' }],
    ['must start with', { sourceUrl: 'ftp://a/b' }],
    ['is not a URL', { sourceUrl: 'http://host:99999/b' }],
    ['is not a URL', { sourceUrl: 'https://[::1/b' }],
    ['must start with', { sourceUrl: 'tapis:///b' }],
    ['control character', { sourceUrl: 'tapis://s/a\u0007' }],
    ['control character', { sourceUrl: 'tapis://s/a', targetPath: 'x\ny' }],
    ['may not contain ..', { sourceUrl: 'tapis://s/a', targetPath: 'x/../y' }],
    ['names the input directory itself', { sourceUrl: 'tapis://s/a', targetPath: '/' }],
    ['names the input directory itself', { sourceUrl: 'tapis://s/a', targetPath: './' }],
    ['where the job keeps its own files', { sourceUrl: 'tapis://s/tapisjob.sh' }],
    ['where the job keeps its own files', { sourceUrl: 'tapis://s/a', targetPath: 'tapisjob.env' }],
    ['where the job keeps its own files', { sourceUrl: 'tapis://s/a', targetPath: '.kilim/x' }],
    ['not known here', { sourceUrl: 'tapis://s/${Nobody}' }],
  ])('%s', (rule, input) => {
    expect(faults([input])).toEqual([expect.stringContaining(rule)]);
  });

  it('refuses two inputs with one target', () => {
    expect(faults([{ sourceUrl: 'tapis://s/a' }, { sourceUrl: 'tapis://t/a' }])).toEqual([
      'fileInputs: "tapis://t/a" has the target a, as another input has',
    ]);
    expect(faults([{ sourceUrl: 'tapis://s/a' }, { sourceUrl: 'tapislocal://exec.tapis/x/a' }])).toEqual([]);
  });
});

describe('inputs of application and request (§2.10)', () => {
  const spec = (inputMode: 'REQUIRED' | 'FIXED' | 'OPTIONAL' | undefined, given: Partial<AppFileInput> = {}): AppFileInput =>
    ({ name: 'in', sourceUrl: 'tapis://s/ours', ...(inputMode ? { inputMode } : {}), ...given }); // prettier-ignore

  it.each<[string, AppFileInput, JobFileInput[], string[]]>([
    ['REQUIRED, silent', spec('REQUIRED'), [], ['tapis://s/ours → ours']],
    ['FIXED, silent', spec('FIXED'), [], ['tapis://s/ours → ours']],
    ['OPTIONAL, silent', spec('OPTIONAL'), [], ['tapis://s/ours → ours']],
    ['OPTIONAL, incomplete', spec(undefined, { sourceUrl: null }), [], []],
    ['OPTIONAL, ends in /', spec('OPTIONAL', { sourceUrl: 'tapis://s/d/' }), [], []],
    ['REQUIRED, overridden', spec('REQUIRED', { targetPath: 't' }), [{ name: 'in', sourceUrl: 'tapis://s/mine' }], ['tapis://s/mine → t']],
    ['FIXED, repeated', spec('FIXED', { targetPath: 't' }), [{ name: 'in', sourceUrl: 'tapis://s/ours', targetPath: 't', autoMountLocal: true }], ['tapis://s/ours → t']],
    ['filled from the application', spec('REQUIRED'), [{ name: 'in', targetPath: 'x' }], ['tapis://s/ours → x']],
    ['one more', spec('REQUIRED'), [{ sourceUrl: 'https://e.org/p' }], ['tapis://s/ours → ours', 'https://e.org/p → p']],
  ])('%s', (_case, app, asked, expected) => {
    expect(lands(asked, [app])).toEqual(expected);
  }); // prettier-ignore

  it.each<[string, AppFileInput, JobFileInput[], boolean]>([
    ['has no sourceUrl', spec('REQUIRED', { sourceUrl: null }), [], false],
    ['has no sourceUrl', spec('FIXED', { sourceUrl: null }), [], false],
    ['FIXED', spec('FIXED'), [{ name: 'in', sourceUrl: 'tapis://s/mine' }], false],
    ['FIXED', spec('FIXED'), [{ name: 'in', targetPath: 'other' }], false],
    ['FIXED', spec('FIXED'), [{ name: 'in', autoMountLocal: false }], false],
    ['FIXED', spec('FIXED'), [{ name: 'in', notes: { a: 1 } }], false],
    ['FIXED', spec('FIXED'), [{ name: 'in', description: 'mine' }], false],
    ['named twice', spec('REQUIRED'), [{ name: 'in' }, { name: 'in' }], false],
    ['strictFileInputs', spec('REQUIRED'), [{ sourceUrl: 'tapis://s/x' }], true],
    ['strictFileInputs', spec('REQUIRED'), [{ name: 'more', sourceUrl: 'tapis://s/x' }], true],
  ])('%s', (rule, app, asked, strict) => {
    expect(faults(asked, [app], strict)).toEqual([expect.stringContaining(rule)]);
  });

  it('keeps what the record shows', () => {
    const app = spec('OPTIONAL', { description: 'app', envKey: 'IN', notes: { a: 1 } });
    const { plan, env } = planOf(
      { fileInputs: [{ name: 'in', description: 'me' }, { sourceUrl: 'tapis://s/x' }] },
      withApp([app]),
    );
    expect(plan.inputs).toMatchObject([
      {
        name: 'in',
        description: 'app\n\nme',
        optional: true,
        autoMountLocal: true,
        envKey: 'IN',
        notes: { a: 1 },
        srcSharedCtx: null,
      },
      { name: null, optional: false },
    ]);
    expect(env).toContainEqual(expect.objectContaining({ key: 'IN', value: 'ours' }));
  });

  it('refuses an envKey that is a variable of the job', () => {
    const request = aRequest({
      fileInputs: [{ sourceUrl: 'tapis://s/x', envKey: 'K' }],
      parameterSet: { envVariables: [{ key: 'K', value: '1' }] },
    });
    expect(faultsOf({ request })).toEqual(['envKey: "K" is already a variable of the job']);
  });
});

describe('input arrays (§2.11)', () => {
  const array = (asked: JobFileInputArray[], specs: AppFileInputArray[] = []) => ({
    request: aRequest({ fileInputArrays: asked }),
    app: anApp({}, { fileInputArrays: specs }),
  });
  const urls = ['tapis://s/p', 'tapis://s/q'];

  it.each<[string | undefined, string[]]>([
    [undefined, ['p', 'q']],
    ['*', ['p', 'q']],
    ['/', ['p', 'q']],
    ['d', ['d/p', 'd/q']],
    ['/d//e/', ['d/e/p', 'd/e/q']],
  ])('to the directory %s', (targetDir, expected) => {
    const { request, app } = array([{ name: 'many', sourceUrls: urls, ...(targetDir ? { targetDir } : {}) }]);
    const { plan } = planOf(request, { app });
    expect(plan.inputs.map(({ targetPath }) => targetPath)).toEqual(expected);
    expect(plan.inputs.map(({ name }) => name)).toEqual(['many_0.0', 'many_0.1']);
    expect(plan.inputs[0]).toMatchObject({ autoMountLocal: false, optional: false, envKey: null });
  });

  it('tells the directory in the variable', () => {
    const { request, app } = array([{ sourceUrls: urls, targetDir: 'd', envKey: 'DIR' }]);
    expect(planOf(request, { app }).env).toContainEqual(expect.objectContaining({ key: 'DIR', value: 'd' }));
  });

  it('replaces the list of the application as a whole', () => {
    const { request, app } = array(
      [{ name: 'm', sourceUrls: ['tapis://s/z'] }],
      [{ name: 'm', sourceUrls: urls, targetDir: 'd' }],
    );
    expect(planOf(request, { app }).plan.inputs.map(({ targetPath }) => targetPath)).toEqual(['d/z']);
  });

  it.each<[string, JobFileInputArray[], AppFileInputArray[], string[]]>([
    ['unnamed and empty: ignored', [{ sourceUrls: [] }], [], []],
    ['named and empty', [{ name: 'x', sourceUrls: [] }], [], ['has no sourceUrls']],
    ['OPTIONAL and empty: dropped', [], [{ name: 'x' }], []],
    ['REQUIRED and empty', [], [{ name: 'x', inputMode: 'REQUIRED' }], ['has no sourceUrls']],
    ['FIXED and changed', [{ name: 'x', sourceUrls: ['tapis://s/q'] }], [{ name: 'x', inputMode: 'FIXED', sourceUrls: urls }], ['FIXED']],
    ['tapislocal', [{ sourceUrls: ['tapislocal://exec.tapis/a'] }], [], ['tapislocal']],
    ['no last segment', [{ sourceUrls: ['tapis://s/a/'] }], [], ['ends in /']],
    ['one target twice', [{ sourceUrls: ['tapis://s/a', 'tapis://t/a'] }], [], ['has the target a']],
  ])('%s', (_case, asked, specs, rules) => {
    expect(faultsOf(array(asked, specs))).toEqual(rules.map((rule) => expect.stringContaining(rule)));
  }); // prettier-ignore
});
