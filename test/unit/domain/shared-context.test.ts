import { describe, expect, it } from 'vitest';

import { sharedAttributes } from '../../../domain/jobs/plan/shared-context.js';
import type { JobRequest } from '../../../domain/jobs/request.js';
import type { JobAttributes } from '../../../domain/apps/app.js';
import type { System } from '../../../domain/systems/system.js';
import { anApp, aRequest, aSystem, planOf } from './a-plan-input.js';

describe('what is shared with an application (§11.3)', () => {
  const all = [
    'EXEC_SYSTEM_ID',
    'EXEC_SYSTEM_EXEC_DIR',
    'EXEC_SYSTEM_INPUT_DIR',
    'EXEC_SYSTEM_OUTPUT_DIR',
    'ARCHIVE_SYSTEM_ID',
    'ARCHIVE_SYSTEM_DIR',
  ];
  const archive = aSystem({ id: 'store' });
  const granted = (
    request: Partial<JobRequest>,
    ours: Partial<JobAttributes>,
    other: System | null = null,
    dtn: System | null = null,
  ) =>
    sharedAttributes('olga', {
      request: aRequest(request),
      app: anApp({}, ours),
      systems: { exec: aSystem(), archive: other, dtn },
    }).map((name) => name.slice(4));
  const but = (...names: string[]) => all.filter((name) => !names.includes(name));

  it.each<[string, Partial<JobRequest>, Partial<JobAttributes>, string[]]>([
    ['all by default', {}, {}, all],
    ['the request repeats', { execSystemId: 'vm', execSystemExecDir: 'e' }, { execSystemExecDir: 'e' }, all],
    ['the application names no system', { execSystemId: 'vm' }, { execSystemId: null }, []],
    ['another system', { execSystemId: 'mine' }, {}, []],
    ['another exec dir', { execSystemExecDir: 'x' }, { execSystemExecDir: 'e' }, but('EXEC_SYSTEM_EXEC_DIR')],
    ['an input dir of its own', { execSystemInputDir: 'x' }, {}, but('EXEC_SYSTEM_INPUT_DIR')],
    [
      'an output dir of its own, which is archived to',
      { execSystemOutputDir: 'x' },
      {},
      but('EXEC_SYSTEM_OUTPUT_DIR', 'ARCHIVE_SYSTEM_DIR'),
    ],
    ['an archive dir of its own', { archiveSystemDir: '/anywhere' }, {}, but('ARCHIVE_SYSTEM_DIR')],
  ])('%s', (_case, request, ours, expected) => {
    expect(granted(request, ours)).toEqual(expected);
  });

  it('covers an archive system only where the application names it', () => {
    expect(granted({}, { archiveSystemId: 'store' }, archive)).toEqual(all);
    expect(granted({ archiveSystemId: 'store' }, {}, archive)).toEqual(
      but('ARCHIVE_SYSTEM_ID', 'ARCHIVE_SYSTEM_DIR'),
    );
  });

  it('covers the transfer node and its directories', () => {
    const dtn = aSystem({ id: 'dtn' });
    expect(granted({ dtnSystemOutputDir: 'o' }, { dtnSystemInputDir: 'i' }, null, dtn)).toEqual([
      ...all,
      'DTN_SYSTEM_ID',
      'DTN_SYSTEM_INPUT_DIR',
    ]);
  });

  it('is nothing without a grantor', () => {
    expect(planOf({}).plan).toMatchObject({ sharedAppCtx: null, sharedAppCtxAttribs: [] });
    expect(planOf({}, { appReader: { sharedAppCtx: ' ' } }).plan.sharedAppCtx).toBeNull();
  });

  it('opens the inputs of the application with the rights of the grantor, never a dynamic account', () => {
    const app = anApp(
      {},
      {
        fileInputs: [
          { name: 'a', sourceUrl: 'tapis://s/a' },
          { name: 'b', sourceUrl: 'https://e.org/b' },
        ],
      },
    );
    const given = { app, appReader: { sharedAppCtx: 'olga' } };
    const { plan } = planOf({ fileInputs: [{ sourceUrl: 'tapis://s/mine' }] }, given);
    expect(plan.inputs.map(({ srcSharedCtx }) => srcSharedCtx)).toEqual(['olga', null, null]);
    expect(plan.exec).toMatchObject({ asUser: 'alice', loginUser: 'al' });
    const exec = aSystem({ effectiveUserId: 'svc' });
    expect(
      planOf({}, { ...given, systems: { exec, archive: null }, loginUsers: {} }).plan.exec,
    ).toMatchObject({ asUser: 'olga', loginUser: 'svc' });
  });
});
