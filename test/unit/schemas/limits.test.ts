import { describe, expect, it } from 'vitest';
import type { z } from 'zod';

import { AppDefinition } from '../../../schemas/app.js';
import { JobRequest } from '../../../schemas/job-request.js';
import { parseBody } from '../../../schemas/parse.js';
import { SearchBody } from '../../../schemas/search.js';
import { Profile, SystemDefinition } from '../../../schemas/system.js';

const job = { name: 'j', appId: 'a', appVersion: '1' };
const many = (count: number, one: unknown): unknown[] => Array.from({ length: count }, () => one);
const long = 'a'.repeat(1_000_000);

describe('a body with too much', () => {
  it.each<[string, z.ZodType, unknown]>([
    ['parameterSet.appArgs: must have at most 4000 elements', JobRequest, { ...job, parameterSet: { appArgs: many(4_001, { arg: 'a' }) } }],
    ['parameterSet.appArgs.0.arg: "aaa', JobRequest, { ...job, parameterSet: { appArgs: [{ arg: long }] } }],
    ['parameterSet.envVariables: must have at most 1000 elements', JobRequest, { ...job, parameterSet: { envVariables: many(300_000, 0) } }],
    ['fileInputs: must have at most 1000 elements', JobRequest, { ...job, fileInputs: many(1_001, {}) }],
    ['fileInputArrays: may have at most 1000 sourceUrls in all', JobRequest, { ...job, fileInputArrays: [{ sourceUrls: many(1_001, 'a') }] }],
    ['parameterSet.archiveFilter.includes: must have at most 100 elements', JobRequest, { ...job, parameterSet: { archiveFilter: { includes: many(101, 'a') } } }],
    ['tags: must have at most 128 elements', JobRequest, { ...job, tags: many(129, 'a') }],
    ['jobAttributes.parameterSet.containerArgs: must have at most 1000 elements', AppDefinition, { id: 'a', version: '1', containerImage: 'a', jobAttributes: { parameterSet: { containerArgs: many(1_001, {}) } } }],
    ['batchLogicalQueues: must have at most 100 elements', SystemDefinition, { batchLogicalQueues: many(101, {}) }],
    ['moduleLoads: must have at most 100 elements', Profile, { name: 'p', moduleLoads: many(101, {}) }],
    ['search: must have at most 1000 elements', SearchBody, { search: many(1_001, 'a') }],
    ['search: must have at least 1 element', SearchBody, { search: [] }],
  ])('is refused: %s', (says, schema, body) => {
    expect(() => parseBody(schema, body)).toThrow(says);
  }); // prettier-ignore

  it('is told of in short, whatever its members are called', () => {
    const unknown = Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`k${i}${'x'.repeat(200)}`, 0]));
    let says = '';
    try {
      parseBody(JobRequest, { ...job, ...unknown });
    } catch (error) {
      says = String(error);
    }
    expect(says).toContain('and 490 more');
    expect(says.length).toBeLessThan(2_000);
  });
});
