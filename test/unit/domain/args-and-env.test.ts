import { describe, expect, it } from 'vitest';

import { mergeArgs } from '../../../domain/jobs/plan/args.js';
import { completeEnv, mergeEnv } from '../../../domain/jobs/plan/env.js';
import { Faults } from '../../../domain/jobs/plan/faults.js';
import type { JobArgSpec, JobKeyValue } from '../../../domain/jobs/request.js';
import { NOT_SET, type ArgSpec, type InputMode, type KeyValue } from '../../../domain/systems/system.js';

const args = (app: ArgSpec[], request: JobArgSpec[]) => {
  const faults = new Faults();
  const merged = mergeArgs(faults, 'appArgs', app, request);
  return { merged, texts: merged.map(({ arg }) => arg), faults: faults.all };
};

describe('arguments of application and request (§2.7.1)', () => {
  const named = (include?: boolean): JobArgSpec[] => [
    { name: 'a', arg: 'mine', ...(include === undefined ? {} : { include }) },
  ];
  // what is left when the request does not name it, names it, says include=true, include=false
  it.each<[InputMode | undefined, (string | null)[]]>([
    ['REQUIRED', ['ours', 'mine', 'mine', 'mine']],
    ['FIXED', ['ours', 'fault', 'fault', 'fault']],
    ['INCLUDE_BY_DEFAULT', ['ours', 'mine', 'mine', null]],
    ['INCLUDE_ON_DEMAND', [null, 'mine', 'mine', null]],
    [undefined, [null, 'mine', 'mine', null]],
  ])('%s', (inputMode, expected) => {
    const spec: ArgSpec = { name: 'a', arg: 'ours', ...(inputMode ? { inputMode } : {}) };
    const found = [[], named(), named(true), named(false)].map((request) => {
      const { texts, faults } = args([spec], request);
      return faults.length > 0 ? 'fault' : (texts[0] ?? null);
    });
    expect(found).toEqual(expected);
  });

  it('lets FIXED be repeated', () => {
    const spec: ArgSpec = { name: 'a', arg: 'x', inputMode: 'FIXED', notes: { p: 1, q: 2 } };
    expect(args([spec], [{ name: 'a', arg: 'x', notes: { q: 2, p: 1 }, include: false }])).toMatchObject({
      texts: ['x'],
      faults: [],
    });
    expect(args([spec], [{ name: 'a', arg: 'x', notes: { p: 2 } }]).faults).toHaveLength(1);
  });

  it('keeps the order: the application, then what the request adds', () => {
    const app: ArgSpec[] = [
      { name: 'b', arg: 'B', inputMode: 'REQUIRED' },
      { name: 'a', arg: 'A' },
      { name: 'c', arg: 'C', inputMode: 'REQUIRED' },
    ];
    const request = [
      { arg: '1' },
      { name: 'c', arg: 'C2' },
      { name: 'new', arg: '2', include: false },
      { name: 'a', arg: 'A2' },
      { arg: '3' },
    ];
    expect(args(app, request).texts).toEqual(['B', 'A2', 'C2', '1', '2', '3']);
  });

  it('joins descriptions and overrides only what is given', () => {
    const spec: ArgSpec = {
      name: 'a',
      arg: 'ours',
      inputMode: 'REQUIRED',
      description: 'app',
      notes: { n: 1 },
    };
    expect(args([spec], [{ name: 'a', arg: '  ', description: 'me', include: true }]).merged).toEqual([
      { name: 'a', arg: 'ours', description: 'app\n\nme', include: true, notes: { n: 1 } },
    ]);
    expect(args([spec], [{ name: 'a', arg: 'x', notes: {} }]).merged[0]).toMatchObject({
      arg: 'x',
      notes: {},
    });
  });

  it.each<[string, ArgSpec[], JobArgSpec[], string[]]>([
    ['twice in the application', [{ name: 'a', arg: '1' }, { name: 'a', arg: '2' }], [], ['appArgs: "a" is named twice (application)']],
    ['twice in the request', [], [{ name: 'a', arg: '1' }, { name: 'a', arg: '2' }], ['appArgs: "a" is named twice (request)']],
    ['several unnamed', [], [{ arg: '1' }, { name: '', arg: '2' }], []],
    ['blank by default: dropped', [{ name: 'a', inputMode: 'INCLUDE_BY_DEFAULT' }], [], []],
    ['blank, required', [{ name: 'a', inputMode: 'REQUIRED' }], [], ['appArgs: "a" has no value in "arg"']],
    ['blank, on demand', [{ name: 'a' }], [{ name: 'a', arg: ' ' }], ['appArgs: "a" has no value in "arg"']],
    ['blank in the request', [], [{ name: 'a' }], ['appArgs: "a" has no value in "arg"']],
  ])('%s', (_case, app, request, faults) => {
    expect(args(app, request).faults).toEqual(faults);
  }); // prettier-ignore
});

interface Sources { system?: KeyValue[]; app?: KeyValue[]; request?: JobKeyValue[] } // prettier-ignore
const env = ({ system = [], app = [], request = [] }: Sources) => {
  const faults = new Faults();
  const merged = mergeEnv(faults, { system, app, request });
  return {
    merged,
    values: Object.fromEntries(merged.map(({ key, value }) => [key, value])),
    faults: faults.all,
  };
};
const one = (inputMode: InputMode, value = 'ours', notes?: Record<string, unknown>): KeyValue[] => [
  { key: 'K', value, inputMode, ...(notes ? { notes } : {}) },
];

describe('environment: system and application (§2.7.3)', () => {
  it.each<[string, KeyValue[], KeyValue[], Record<string, string> | 'fault']>([
    ['system FIXED unset', one('FIXED', NOT_SET), [], 'fault'],
    ['system REQUIRED with a value', one('REQUIRED', 'x'), [], 'fault'],
    ['application FIXED unset', [], one('FIXED', NOT_SET), 'fault'],
    ['system FIXED, application otherwise', one('FIXED', 'x'), one('INCLUDE_BY_DEFAULT', 'x'), 'fault'],
    ['system FIXED, application FIXED differently', one('FIXED', 'x'), one('FIXED', 'y'), 'fault'],
    ['system FIXED, application with other notes', one('FIXED', 'x'), one('FIXED', 'x', { a: 1 }), 'fault'],
    ['system FIXED, application the same', one('FIXED', 'x', {}), one('FIXED', 'x'), { K: 'x' }],
    ['system REQUIRED promotes', one('REQUIRED', NOT_SET), one('INCLUDE_ON_DEMAND', 'a'), { K: 'a' }],
    ['system REQUIRED without a value', one('REQUIRED', NOT_SET), [], 'fault'],
    ['the application wins', one('INCLUDE_BY_DEFAULT', 's'), one('INCLUDE_BY_DEFAULT', 'a'), { K: 'a' }],
    ['the marker hides the system', one('INCLUDE_BY_DEFAULT', 's'), one('INCLUDE_BY_DEFAULT', NOT_SET), {}],
    ['only the system, by default', one('INCLUDE_BY_DEFAULT', 's'), [], { K: 's' }],
    ['only the system, on demand', one('INCLUDE_ON_DEMAND', 's'), [], {}],
    ['no mode is by default', [{ key: 'K', value: 's' }], [], { K: 's' }],
    ['null is empty', [], [{ key: 'K', value: null as unknown as string }], { K: '' }],
  ])('%s', (_case, system, app, expected) => {
    const { values, faults } = env({ system, app });
    expect(faults.length > 0 ? 'fault' : values).toEqual(expected);
  });

  it('joins the descriptions of application and system, and puts the request first', () => {
    const system = [{ key: 'K', value: 's', description: 'system' }];
    const app = [{ key: 'K', value: 'a', description: 'app' }];
    expect(env({ system, app }).merged[0]?.description).toBe('app\n\nsystem');
    expect(
      env({ system, app, request: [{ key: 'K', value: 'r', description: 'me' }] }).merged[0]?.description,
    ).toBe('me\n\napp\n\nsystem');
  });
});

describe('environment: the request (§2.7.3)', () => {
  it.each<[InputMode, (string | null)[]]>([
    ['FIXED', ['ours', 'fault', 'fault', 'fault']],
    ['REQUIRED', ['ours', 'mine', 'mine', 'mine']],
    ['INCLUDE_BY_DEFAULT', ['ours', 'mine', 'mine', null]],
    ['INCLUDE_ON_DEMAND', [null, 'mine', 'mine', null]],
  ])('%s: not named, named, include=true, include=false', (mode, expected) => {
    const item = { key: 'K', value: 'mine' };
    const found = [[], [item], [{ ...item, include: true }], [{ ...item, include: false }]].map((request) => {
      const { values, faults } = env({ app: one(mode), request });
      return faults.length > 0 ? 'fault' : (values['K'] ?? null);
    });
    expect(found).toEqual(expected);
  });

  it.each<[string, Sources, Record<string, string> | 'fault']>([
    ['FIXED repeated', { app: one('FIXED', 'x'), request: [{ key: 'K', value: 'x', include: false }] }, { K: 'x' }],
    ['FIXED with other notes', { app: one('FIXED', 'x'), request: [{ key: 'K', value: 'x', notes: { a: 1 } }] }, 'fault'],
    ['the marker takes the value below', { app: one('INCLUDE_BY_DEFAULT', 'a'), request: [{ key: 'K', value: NOT_SET }] }, { K: 'a' }],
    ['REQUIRED without any value', { app: one('REQUIRED', NOT_SET) }, 'fault'],
    ['REQUIRED with the value of the request', { app: one('REQUIRED', NOT_SET), request: [{ key: 'K', value: 'r' }] }, { K: 'r' }],
    ['by default without a value: dropped', { app: one('INCLUDE_BY_DEFAULT', NOT_SET) }, {}],
    ['on demand, named, without a value', { app: one('INCLUDE_ON_DEMAND', NOT_SET), request: [{ key: 'K', value: NOT_SET }] }, 'fault'],
    ['the marker alone', { request: [{ key: 'K', value: NOT_SET }] }, 'fault'],
    ['empty is a value', { request: [{ key: 'K', value: '' }] }, { K: '' }],
    ['unknown with include=false stays', { request: [{ key: 'K', value: 'r', include: false }] }, { K: 'r' }],
    ['named twice', { request: [{ key: 'K', value: '1' }, { key: 'K', value: '2' }] }, 'fault'],
    ['no shell name', { request: [{ key: '1K', value: '1' }] }, 'fault'],
    ['reserved', { request: [{ key: '_tapisX', value: '1' }] }, 'fault'],
    ['reserved by the application', { app: [{ key: '_tapisX', value: '1' }] }, 'fault'],
    ['lines and tabs, as in PEM and JSON', { request: [{ key: 'K', value: 'a\n\tb\r\n' }] }, { K: 'a\n\tb\r\n' }],
    ['another control character', { request: [{ key: 'K', value: 'a\u001bb' }] }, 'fault'],
    ['what Linux takes of one variable', { request: [{ key: 'K', value: 'ü'.repeat(65_534) + 'a' }] }, { K: 'ü'.repeat(65_534) + 'a' }],
    ['a byte more', { request: [{ key: 'K', value: 'ü'.repeat(65_535) }] }, 'fault'],
    ['what a shell would read is only text', { request: [{ key: 'K', value: '$(id); `x` & "y"' }] }, { K: '$(id); `x` & "y"' }],
  ])('%s', (_case, sources, expected) => {
    const { values, faults } = env(sources);
    expect(faults.length > 0 ? 'fault' : values).toEqual(expected);
  }); // prettier-ignore

  it('sorts by key, whatever its case, and refuses collisions of inputs', () => {
    const v = (key: string) => ({ key, value: 'v', description: null, include: null, notes: null });
    const faults = new Faults();
    expect(completeEnv(faults, [v('b'), v('C')], [v('A')], [v('_tapisX')]).map(({ key }) => key)).toEqual([
      '_tapisX',
      'A',
      'b',
      'C',
    ]);
    expect(faults.all).toEqual([]);
    completeEnv(faults, [v('b')], [v('b'), v('x'), v('x'), v('_tapisB'), v('a-b')], []);
    expect(faults.all).toHaveLength(4);
  });
});
