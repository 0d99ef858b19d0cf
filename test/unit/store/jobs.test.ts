import { describe, expect, it } from 'vitest';

import { watchKey } from '../../../domain/jobs/remote.js';
import type { Store } from '../../../store/store.js';
import { aPlanned, atOnce, DATABASES, listedJobs, needsPostgres, type Place, withStore } from './a-store.js';

needsPostgres();

describe.each(DATABASES)('jobs on $name', ({ make }) => {
  let place: Place;
  let store: Store;
  withStore(make, (opened) => ({ place, store } = opened));

  const listed = async (owner: string, attribute: string, direction: 'asc' | 'desc' = 'asc') =>
    (await listedJobs(store, { owner, orderBy: [{ attribute, direction }] })).map(({ plan }) => plan.name);

  it('adds a row with its first event', async () => {
    const planned = aPlanned();
    const job = await store.jobs.add(planned, '{}');

    expect(job).toMatchObject({ status: 'PENDING', lastMessage: 'Job created', rev: 0, condition: null, visible: true, tags: ['one', 'two'], plan: planned.plan }); // prettier-ignore
    expect(job.id).toBeGreaterThan(0);
    expect(job.created).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
    expect(await store.jobs.getPlan(job.uuid)).toEqual(planned.plan);
    const [event, ...others] = await store.jobs.events(job.uuid, -1, 0);
    expect(others).toEqual([]);
    expect(event).toMatchObject({ event: 'JOB_NEW_STATUS', eventDetail: 'PENDING', jobUuid: job.uuid, tenant: 'dev' }); // prettier-ignore
    expect(JSON.parse(event?.description ?? '')).toEqual({
      jobName: 'a job', jobUuid: job.uuid, jobOwner: 'alice', message: 'Job created', newJobStatus: 'PENDING', oldJobStatus: null,
    }); // prettier-ignore
  });

  it('says which job it does not have', async () => {
    expect(await store.jobs.find('nobody')).toBeNull();
    for (const ask of [store.jobs.get, store.jobs.getPlan, store.jobs.getEnv, store.jobs.getRawRequest])
      await expect(ask('nobody')).rejects.toMatchObject({ code: 'JOB_NOT_FOUND' });
  });

  it('keeps the query of a URL sealed, and gives the plan for the job its whole URLs', async () => {
    const input = { name: 'i', description: null, envKey: null, autoMountLocal: true, targetPath: 'x', optional: false, srcSharedCtx: null, notes: null }; // prettier-ignore
    const urls = ['tapis://vm/a?b', 'https://host/x?sig=s3cr3t-query', 'https://host/y'];
    const inputs = urls.map((sourceUrl) => ({ ...input, sourceUrl }));
    const env = [{ key: 'A', value: 'b', description: null, include: null, notes: null }];
    const planned = aPlanned({ inputs, containerImage: 'https://host/app.zip?sig=s3cr3t-query' }, env);
    const { uuid, plan } = await store.jobs.add(planned, '{}');

    expect(plan.inputs.map(({ sourceUrl }) => sourceUrl)).toEqual(['tapis://vm/a?b', 'https://host/x?…', 'https://host/y']); // prettier-ignore
    expect(plan.containerImage).toBe('https://host/app.zip?…');
    expect(await store.jobs.getEnv(uuid)).toEqual(env);
    expect(JSON.stringify(await place.sql(`select * from jobs where uuid = '${uuid}'`))).not.toContain('s3cr3t'); // prettier-ignore
    const again = await place.open({ keys: [place.key] }); // a store that has no plan in memory yet
    expect(await again.jobs.getPlan(uuid)).toEqual(planned.plan);
    await again.close();
  });

  it('reads a plan of an older release, which holds the queries itself', async () => {
    const planned = aPlanned({ containerImage: 'https://host/app.zip?sig=1' });
    const { uuid } = await store.jobs.add(aPlanned({ uuid: planned.plan.uuid }), '{}');
    await place.sql(`update jobs set plan = '${JSON.stringify(planned.plan)}' where uuid = '${uuid}'`);
    expect(await store.jobs.getPlan(uuid)).toEqual(planned.plan);
  });

  it('keeps environment and request readable to nobody without the key', async () => {
    const env = [{ key: 'TOKEN', value: 's3cr3t-value', description: null, include: null, notes: null }];
    const { uuid } = await store.jobs.add(aPlanned({}, env), '{"of":"s3cr3t-request"}');

    expect(await store.jobs.getEnv(uuid)).toEqual(env);
    expect(await store.jobs.getRawRequest(uuid)).toBe('{"of":"s3cr3t-request"}');
    const rows = [
      ...(await place.sql('select * from jobs')),
      ...(await place.sql('select * from job_events')),
    ];
    expect(JSON.stringify(rows)).not.toMatch(/s3cr3t/);
  });

  it('gives the same job for the same idempotency key', async () => {
    const once = { key: 'k1', caller: 'alice', bodyHash: 'h1' };
    const first = await store.jobs.add(aPlanned(), '{}', once);

    expect((await store.jobs.add(aPlanned(), '{}', once)).uuid).toBe(first.uuid);
    expect((await store.jobs.findByIdempotencyKey('dev', 'alice', 'k1', 'h1'))?.uuid).toBe(first.uuid);
    expect(await store.jobs.findByIdempotencyKey('dev', 'bob', 'k1', 'h1')).toBeNull();
    expect(await store.jobs.findByIdempotencyKey('other', 'alice', 'k1', 'h1')).toBeNull();
    const other = { ...once, bodyHash: 'h2' };
    await expect(store.jobs.add(aPlanned(), '{}', other)).rejects.toMatchObject({ code: 'CONFLICT' });
    await expect(store.jobs.findByIdempotencyKey('dev', 'alice', 'k1', 'h2')).rejects.toMatchObject({ code: 'CONFLICT' }); // prettier-ignore
    expect((await store.jobs.add(aPlanned(), '{}', { ...once, caller: 'bob' })).uuid).not.toBe(first.uuid);
  });

  it.each([1, 2, 3, 4, 5])('adds one job for many at once with one idempotency key (%i)', async (round) => {
    const once = { key: `storm ${round}`, caller: 'alice', bodyHash: 'h' };
    const jobs = await atOnce(store, 8, () => store.jobs.add(aPlanned(), '{}', once));
    expect(new Set(jobs.map(({ uuid }) => uuid)).size).toBe(1);
  });

  it('forgets an idempotency key after a day', async () => {
    const once = { key: 'old', caller: 'alice', bodyHash: 'h1' };
    const first = await store.jobs.add(aPlanned(), '{}', once);
    const before = new Date(Date.now() - 25 * 3_600_000).toISOString();
    await place.sql(`update idempotency_keys set created = '${before}' where key = 'old'`);

    expect(await store.jobs.findByIdempotencyKey('dev', 'alice', 'old', 'h2')).toBeNull();
    const second = await store.jobs.add(aPlanned(), '{}', { ...once, bodyHash: 'h2' });
    expect(second.uuid).not.toBe(first.uuid);
  });

  it('keeps neither key nor row of a submission that failed', async () => {
    const planned = aPlanned();
    await store.jobs.add(planned, '{}');
    await expect(store.jobs.add(planned, '{}', { key: 'lost', caller: 'alice', bodyHash: 'h' })).rejects.toThrow(); // prettier-ignore
    expect(await store.jobs.findByIdempotencyKey('dev', 'alice', 'lost', 'h')).toBeNull();
  });

  it("lists an owner's visible jobs, the newest first, page by page", async () => {
    const owner = 'lister';
    for (const name of ['a', 'b', 'c', 'd']) await store.jobs.add(aPlanned({ owner, name }), '{}');
    await store.jobs.add(aPlanned({ owner, tenant: 'other' }), '{}');
    const hidden = await store.jobs.add(aPlanned({ owner, name: 'hidden' }), '{}');
    await store.jobs.setVisible(hidden.uuid, false);

    const query = { tenant: 'dev', owner, orderBy: [], limit: 2, skip: 1, computeTotal: true };
    const { ids, total } = await store.jobs.list(query);

    expect((await store.jobs.many(ids)).map(({ plan }) => plan.name)).toEqual(['c', 'b']);
    expect((await store.jobs.summaries(ids)).map(({ name }) => name)).toEqual(['c', 'b']);
    expect(total).toBe(4);
    const all = await store.jobs.list({ ...query, limit: 10, skip: 0, computeTotal: false });
    expect([all.ids.length, all.total]).toEqual([4, -1]);
    await store.jobs.setVisible(hidden.uuid, true);
    expect((await store.jobs.list(query)).total).toBe(5);
  });

  it('sorts by columns and by what stands in the plan, numbers as numbers, the unset lowest', async () => {
    const owner = 'sorter';
    await store.jobs.add(aPlanned({ owner, name: 'b', memoryMB: 900, mpiCmd: 'mpirun' }), '{}');
    await store.jobs.add(aPlanned({ owner, name: 'a', memoryMB: 1000, dtn: { ...aPlanned({}).plan.exec, systemId: 'dtn', inputDir: null, outputDir: null } }), '{}'); // prettier-ignore
    await store.jobs.add(aPlanned({ owner, name: 'B', memoryMB: 80 }), '{}');

    expect(await listed(owner, 'name')).toEqual(['B', 'a', 'b']);
    expect(await listed(owner, 'created', 'desc')).toEqual(['B', 'a', 'b']);
    expect(await listed(owner, 'memoryMB')).toEqual(['B', 'b', 'a']);
    expect((await listed(owner, 'mpiCmd'))[2]).toBe('b');
    expect((await listed(owner, 'dtnSystemId', 'desc'))[0]).toBe('a');
    expect(await listed(owner, 'ended')).toHaveLength(3);
  });

  it.each(['plan', 'env', 'watchKey', 'nonsense', 'toString', 'name; drop table jobs'])(
    'refuses to sort by %s',
    async (attribute) => {
      await expect(listed('sorter', attribute)).rejects.toMatchObject({ code: 'INVALID_REQUEST', message: expect.stringContaining(`"${attribute}"`) }); // prettier-ignore
    },
  );

  it('counts looks, and says nothing more once the job has ended', async () => {
    const { uuid } = await store.jobs.add(aPlanned(), '{}');
    await store.jobs.countCheck(uuid, true, 'waits for nodes\0');
    await store.jobs.countCheck(uuid, false);
    const job = await store.jobs.get(uuid);
    expect(job).toMatchObject({ remoteChecksSuccess: 1, remoteChecksFailed: 1, lastMessage: 'waits for nodes' }); // prettier-ignore
    expect(job.remoteLastStatusCheck).not.toBeNull();

    await store.jobs.record({ uuid, rev: 1, status: 'CANCELLED', message: 'the last word' });
    await store.jobs.countCheck(uuid, true, 'late');
    await store.jobs.setMessage(uuid, 'late');
    expect((await store.jobs.get(uuid)).lastMessage).toBe('the last word');
  });

  it('names quiet live jobs, and whether they are to be cancelled', async () => {
    const { uuid } = await store.jobs.add(aPlanned(), '{}');
    const ended = await store.jobs.add(aPlanned(), '{}');
    await store.jobs.record({ uuid: ended.uuid, rev: 1, status: 'CANCELLED' });
    await store.jobs.requestCancel(uuid);

    const running = await store.jobs.add(aPlanned(), '{}');
    await store.jobs.record({ uuid: running.uuid, rev: 1, status: 'PROCESSING_INPUTS' });

    const urgent = { isUrgent: true, after: { turn: 0, id: 0 }, limit: 1_000 };
    const others = { ...urgent, isUrgent: false };
    expect((await store.jobs.quiet(60_000, urgent)).map((job) => job.uuid)).not.toContain(uuid);
    const quiet = await store.jobs.quiet(-60_000, urgent);
    expect(quiet).toContainEqual({ turn: expect.any(Number), id: expect.any(Number), uuid, status: 'PENDING', cancelRequested: true }); // prettier-ignore
    expect(quiet.map((job) => job.uuid)).not.toContain(ended.uuid);
    expect(quiet.map((job) => job.uuid)).not.toContain(running.uuid);
    expect((await store.jobs.quiet(-60_000, others)).map((job) => job.uuid)).toContain(running.uuid);
    const [first] = await store.jobs.quiet(-60_000, { ...urgent, limit: 1 });
    const next = await store.jobs.quiet(-60_000, { ...urgent, after: first ?? urgent.after });
    expect([first, ...next]).toEqual(quiet);
  });

  it('names the quiet jobs of several owners in turn', async () => {
    const crowd: string[] = [];
    for (let i = 0; i < 4; i++) crowd.push((await store.jobs.add(aPlanned({ owner: 'crowd' }), '{}')).uuid);
    const other = (await store.jobs.add(aPlanned({ owner: 'other' }), '{}')).uuid;
    const ask = (after = { turn: 0, id: 0 }) =>
      store.jobs.quiet(-60_000, { isUrgent: true, after, limit: 1_000 });
    const all = await ask();
    const order = all.map(({ uuid }) => uuid).filter((uuid) => [...crowd, other].includes(uuid));
    expect(order).toEqual([crowd[0], other, ...crowd.slice(1)]);
    const at = all.findIndex(({ uuid }) => uuid === other);
    expect((await ask(all[at])).map(({ uuid }) => uuid)).toEqual(all.slice(at + 1).map(({ uuid }) => uuid));
  });

  it('names the live jobs of a watch key', async () => {
    const exec = { ...aPlanned().plan.exec, systemId: 'watched' };
    const key = watchKey('dev', exec);
    const live = await store.jobs.add(aPlanned({ exec }), '{}');
    const over = await store.jobs.add(aPlanned({ exec }), '{}');
    await store.jobs.setRemoteJobId(live.uuid, '4711');
    await store.jobs.record({ uuid: over.uuid, rev: 1, status: 'FAILED' });

    expect(await store.watch.liveJobs(key)).toEqual([{ uuid: live.uuid, remoteJobId: '4711', keeper: 'process', launchedOn: null }]); // prettier-ignore
    expect(await store.watch.liveJobs('watch:other')).toEqual([]);
    await store.watch.saveSnapshot(key, {}, new Date(Date.now() - 5_000).toISOString());
    const [age] = await store.watch.snapshotAges();
    expect([age?.key, Math.round((age?.ageMs ?? 0) / 10_000)]).toEqual([key, 1]);
    expect((await store.jobs.countByStatus()).FAILED).toBeGreaterThanOrEqual(1);
  });

  it('pages through events, and keeps a long description JSON', async () => {
    const { uuid } = await store.jobs.add(aPlanned(), '{}');
    await store.jobs.addEvent(uuid, 'JOB_USER_EVENT', 'x'.repeat(80), {
      message: '\n"'.repeat(16_000),
      more: 1,
    });

    const [event] = await store.jobs.events(uuid, 1, 1);
    expect(event?.eventDetail).toHaveLength(64);
    expect(event?.description.length).toBeLessThanOrEqual(16_384);
    expect(JSON.parse(event?.description ?? '')).toMatchObject({ jobUuid: uuid, more: 1 });
    expect(await store.jobs.events(uuid, 10, 2)).toEqual([]);
  });
});
