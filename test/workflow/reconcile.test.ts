import { TestWorkflowEnvironment } from '@temporalio/testing';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';

import { SEARCH_ATTRIBUTES } from '../../domain/jobs/labels.js';
import { provisionTemporal } from '../../launcher/provision-temporal.js';
import type { Store } from '../../store/store.js';
import { createEngine } from '../../worker/engine.js';
import { createReconciler } from '../../worker/reconcile.js';
import { aPlanned, DATABASES, type Place } from '../unit/store/a-store.js';

/* Rows and Temporal are brought together again; nobody serves the task queue, so that workflows stay as they were started. */

let temporal: TestWorkflowEnvironment;
let place: Place | undefined;
let store: Store;
beforeAll(async () => {
  temporal = await TestWorkflowEnvironment.createLocal({
    server: {
      executable: { type: 'existing-path', path: await provisionTemporal(() => undefined) },
      extraArgs: SEARCH_ATTRIBUTES.flatMap((name) => ['--search-attribute', `${name}=Keyword`]),
    },
  });
  place = await DATABASES[0]?.make();
  if (!place) throw new Error('no database');
  store = await place.open();
}, 60_000);
afterAll(async () => {
  await store.close();
  await place?.remove();
  await temporal.teardown();
});

const log = { info: () => undefined, warn: () => undefined };

it('starts every lost job again as a submit does, and asks a part of the others at each pass', async () => {
  const { client } = temporal;
  const engine = createEngine(client, 'nobody', log);
  const asked = vi.spyOn(client.workflow, 'getHandle');
  const reconcile = createReconciler({ store, log }, client, engine.start);
  // 120 jobs run, without a workflow; and one was never started
  const jobs = await Promise.all(Array.from({ length: 121 }, () => store.jobs.add(aPlanned(), '{}')));
  const running = jobs.slice(1);
  for (const { uuid } of running) await store.jobs.record({ uuid, rev: 1, status: 'PROCESSING_INPUTS' });
  await place?.sql(`update jobs set last_updated = '2026-01-01T00:00:00.000000Z'`); // all of them are quiet
  try {
    expect(await reconcile()).toBe(121);
    const [first] = running;
    const found = await client.workflow.getHandle(first?.uuid ?? '').describe();
    expect(found.status.name).toBe('RUNNING');
    const labels = found.typedSearchAttributes.getAll().map(({ key, value }) => [key.name, value] as const);
    expect(Object.fromEntries(labels)).toMatchObject({
      JobStatus: 'PROCESSING_INPUTS', JobOwner: 'alice', JobTenant: 'dev', JobAppId: 'img-classify', ExecSystem: 'vm',
    }); // prettier-ignore
    expect(await found.staticSummary()).toBe('a job · alice · img-classify 0.0.1 · vm');

    // all are there now: three passes ask about all of them once, and each about the one that has not begun
    asked.mockClear();
    const counts: number[] = [];
    const seen = new Set<string>();
    for (let pass = 0; pass < 3; pass++) {
      expect(await reconcile()).toBe(0);
      counts.push(asked.mock.calls.length);
      asked.mock.calls.forEach(([uuid]) => seen.add(uuid));
      asked.mockClear();
    }
    expect(counts).toEqual([51, 51, 21]);
    expect(seen).toEqual(new Set(jobs.map(({ uuid }) => uuid)));

    // the last of them is lost again, and wants to be cancelled: it does not wait for its turn
    const last = running.at(-1)?.uuid ?? '';
    await client.workflow.getHandle(last).terminate();
    await store.jobs.requestCancel(last);
    expect(await reconcile()).toBe(1);
    expect((await client.workflow.getHandle(last).describe()).status.name).toBe('RUNNING');
  } finally {
    asked.mockRestore();
  }
}, 60_000);
