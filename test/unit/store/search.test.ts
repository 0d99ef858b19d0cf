import { beforeAll, describe, expect, it } from 'vitest';

import type { JobPlan } from '../../../domain/jobs/job-plan.js';
import type { JobStatus } from '../../../domain/jobs/status.js';
import { JOB_ATTRIBUTES } from '../../../domain/search/attributes.js';
import type { Condition } from '../../../domain/search/condition.js';
import { parseSqlText } from '../../../domain/search/sql-text.js';
import type { Store } from '../../../store/store.js';
import { aPlanned, DATABASES, needsPostgres, withStore } from './a-store.js';

needsPostgres();

const PAGE = { tenant: 'dev', orderBy: [], limit: 1_000, skip: 0, computeTotal: true };

describe.each(DATABASES)('a search of jobs on $name', ({ make }) => {
  let store: Store;
  const add = async (name: string, more: Partial<JobPlan> = {}): Promise<string> =>
    (await store.jobs.add(aPlanned({ owner: 'seeker', name, ...more }), '{}')).uuid;
  const walk = async (uuid: string, ...statuses: JobStatus[]): Promise<void> => {
    for (const [i, status] of statuses.entries()) await store.jobs.record({ uuid, status, rev: i + 1 });
  };
  withStore(make, (opened) => ({ store } = opened));
  beforeAll(async () => {
    await add('plain');
    await walk(await add('Big', { memoryMB: 2000, nodeCount: 2, tags: ['red', 'x y'], isMpi: true, mpiCmd: 'mpirun' }), 'CANCELLED');
    await walk(await add('100%_done', { tags: [], archiveMode: 'SKIP_ON_FAIL', description: "it's" }), 'FAILED');
    await add('star*[1]?', { jobType: 'BATCH', keeper: 'slurm', hpcQueue: 'normal', tags: ['red', 'blue'] });
    await add('back\\slash\nline', { memoryMB: 80 });
    await store.jobs.setVisible(await add('hidden'), false);
    await store.jobs.add(aPlanned({ owner: 'other', name: 'plain' }), '{}');
    await store.jobs.add(aPlanned({ owner: 'seeker', name: 'plain', tenant: 'other' }), '{}');
  }); // prettier-ignore

  const found = async (where: Condition) => {
    const { ids, total } = await store.jobs.list({ ...PAGE, owner: 'seeker', where });
    expect(total).toBe(ids.length);
    return (await store.jobs.many(ids)).map(({ plan }) => plan.name).reverse();
  };

  const PLAIN = 'plain';
  const BIG = 'Big';
  const DONE = '100%_done';
  const STAR = 'star*[1]?';
  const BACK = 'back\\slash\nline';
  it.each<[string, string[]]>([
    ["name = 'plain'", [PLAIN]],
    ["name = 'Plain'", []],
    ["name <> 'plain'", [BIG, DONE, STAR, BACK]],
    ["name > 'b'", [PLAIN, STAR, BACK]],
    ["name <= 'Big'", [BIG, DONE]],
    ["name LIKE '%a%'", [PLAIN, STAR, BACK]],
    ["name LIKE 'p%'", [PLAIN]],
    ["name LIKE 'P%'", []],
    ["name LIKE '____'", []],
    ["name LIKE '_ig'", [BIG]],
    ["name LIKE '%[1]%'", [STAR]],
    ["name LIKE '%*%'", [STAR]],
    ["name LIKE '%?'", [STAR]],
    ["name LIKE '%\\s%e'", [BACK]],
    ["name NOT LIKE '%a%'", [BIG, DONE]],
    ["description = 'it''s'", [DONE]],
    ["name IN ('Big', 'plain', 'nobody')", [PLAIN, BIG]],
    ["name NOT IN ('Big', 'plain')", [DONE, STAR, BACK]],
    ["name BETWEEN 'B' AND 'c'", [BIG, BACK]],
    ["name NOT BETWEEN 'B' AND 'c'", [PLAIN, DONE, STAR]],
    ['memoryMB > 100', [BIG]],
    ['memory_mb < 100', [BACK]],
    ['memoryMB = 80.0', [BACK]],
    ['memoryMB >= 80.5', [PLAIN, BIG, DONE, STAR]],
    ['node_count IN (2, 3)', [BIG]],
    ['blockedCount = 0.5', []],
    ['memoryMB BETWEEN 80 AND 100', [PLAIN, DONE, STAR, BACK]],
    ['mpi = TRUE', [BIG]],
    ["isMpi <> 'true'", [PLAIN, DONE, STAR, BACK]],
    ['archiveOnAppError = FALSE', [DONE]],
    ['visible = TRUE', [PLAIN, BIG, DONE, STAR, BACK]],
    ['mpiCmd = NULL', [PLAIN, DONE, STAR, BACK]],
    ['mpiCmd <> NULL', [BIG]],
    ["mpiCmd <> 'srun'", [BIG]],
    ["remoteQueue = 'normal'", [STAR]],
    ["status IN ('CANCELLED', 'FAILED')", [BIG, DONE]],
    ["condition = 'CANCELLED_BY_USER'", [BIG]],
    ['condition = NULL', [PLAIN, STAR, BACK]],
    ["ended > '2020'", [BIG, DONE]],
    ["ended BETWEEN '2020-01' AND '2021'", []],
    ["created < '2020-05-04T10'", []],
    ["created >= '2020-05-04T10:30Z' AND ended = NULL", [PLAIN, STAR, BACK]],
    ["tags IN ('red')", [BIG, STAR]],
    ["tags IN ('blue', 'x y')", [BIG, STAR]],
    ["tags NOT IN ('red')", [PLAIN, DONE, BACK]],
    ["jobType = 'BATCH' OR name = 'plain' AND memoryMB = 100", [PLAIN, STAR]],
    ["(jobType = 'BATCH' OR name = 'plain') AND memoryMB = 2000", []],
    ["tapisQueue LIKE 'tapis.%'", [PLAIN, BIG, DONE, STAR, BACK]],
    ['inputTransactionId = NULL AND remoteSubmitRetries = 0', [PLAIN, BIG, DONE, STAR, BACK]],
    ["owner = 'other' OR name = 'hidden' OR tenant = 'other'", []],
  ])('%s', async (text, expected) => {
    const where = parseSqlText([text], JOB_ATTRIBUTES);
    expect(await found(where)).toEqual(expected);
  });

  it.each(Object.entries(JOB_ATTRIBUTES.kinds).filter(([, kind]) => kind !== 'document'))(
    'can ask for and sort by %s',
    async (name, kind) => {
      const value = { string: "'a'", number: '1', timestamp: "'2026'", boolean: 'true', array: "('a')", document: '' }[kind]; // prettier-ignore
      const text = kind === 'array' ? `${name} IN ${value}` : `${name} = ${value}`;
      await expect(found(parseSqlText([text], JOB_ATTRIBUTES))).resolves.toBeInstanceOf(Array);
      const orderBy = [{ attribute: name, direction: 'desc' as const }];
      expect((await store.jobs.list({ ...PAGE, owner: 'seeker', orderBy })).ids).toHaveLength(5);
    },
  );

  it('takes as many conditions as a search may have', async () => {
    const any = Array.from({ length: 500 }, (_, i) => `id = -${i + 1}`).join(' OR ');
    expect(await found(parseSqlText([any], JOB_ATTRIBUTES))).toEqual([]);
    const deep = `${'('.repeat(64)}name = 'plain'${')'.repeat(64)}`;
    expect(await found(parseSqlText([deep], JOB_ATTRIBUTES))).toEqual([PLAIN]);
  });
});
