import { describe, expect, it } from 'vitest';

import {
  APP_ATTRIBUTES,
  JOB_ATTRIBUTES,
  OPERATORS_OF,
  SYSTEM_ATTRIBUTES,
  getAttribute,
  toSnakeCase,
} from '../../../domain/search/attributes.js';
import { OPERATORS, within, type Condition } from '../../../domain/search/condition.js';
import { parsePairs, parseSearch } from '../../../domain/search/conditions.js';
import { parseOrderBy } from '../../../domain/search/order.js';
import { parseSqlText } from '../../../domain/search/sql-text.js';
import { fullTimestamp } from '../../../domain/search/timestamps.js';
import { forAll } from './random.js';

/** A condition in a few words. */
const say = (condition: Condition): string => {
  if (condition.is === 'and') return `(${condition.all.map(say).join(' & ')})`;
  if (condition.is === 'or') return `(${condition.any.map(say).join(' | ')})`;
  return `${condition.attribute} ${condition.operator} ${JSON.stringify(condition.values)}`;
};
const pairs = (...given: [string, string][]): string =>
  say(parsePairs(given, { table: JOB_ATTRIBUTES, plainNames: 'refuse' }));
const sql = (...parts: string[]): string => say(parseSqlText(parts, JOB_ATTRIBUTES));

describe('attributes', () => {
  it.each([
    ['memoryMB', 'memoryMB', 'number'],
    ['memory_mb', 'memoryMB', 'number'],
    ['remote_job_id2', 'remoteJobId2', 'string'],
    ['last_updated', 'lastUpdated', 'timestamp'],
    ['tags', 'tags', 'array'],
  ])('knows %s', (written, name, kind) => {
    expect(getAttribute(JOB_ATTRIBUTES, written)).toEqual({ name, kind });
  });
  it.each(['nope', '1a', 'a b', '', 'constructor', 'LASTUPDATED', "a'"])('refuses %s', (written) => {
    expect(() => getAttribute(JOB_ATTRIBUTES, written)).toThrow();
  });
  it('has no two attributes with one written name', () => {
    for (const { kinds } of [JOB_ATTRIBUTES, SYSTEM_ATTRIBUTES, APP_ATTRIBUTES]) {
      const names = Object.keys(kinds).flatMap((name) => [...new Set([name, toSnakeCase(name)])]);
      expect(new Set(names).size).toBe(names.length);
    }
  });
});

describe('conditions of a query', () => {
  it.each<[string, string, string]>([
    ['status.eq', 'FINISHED', 'status eq ["FINISHED"]'],
    ['status.EQ', 'FINISHED', 'status eq ["FINISHED"]'],
    ['exec_system_id.neq', 'vm', 'execSystemId neq ["vm"]'],
    ['status', 'eq.FINISHED', 'status eq ["FINISHED"]'],
    ['name.eq', 'a.b.c', 'name eq ["a.b.c"]'],
    ['name.in', 'a,b\\,c', 'name in ["a","b,c"]'],
    ['name.eq', 'x\\~\\(\\)\\\\', 'name eq ["x~()\\\\"]'],
    ['name.eq', 'a*!', 'name eq ["a*!"]'],
    ['name.like', 'a*b!c', 'name like ["a%b_c"]'],
    ['name.like', '\\*\\!%_', 'name like ["*!\\\\%\\\\_"]'],
    ['name.nlike', 'a\\\\b', 'name nlike ["a\\\\\\\\b"]'],
    ['memoryMB.between', '10,20', 'memoryMB between [10,20]'],
    ['nodeCount.gte', '-1.5', 'nodeCount gte [-1.5]'],
    ['visible.eq', 'TRUE', 'visible eq [true]'],
    ['tags.contains', 'a,b', 'tags contains ["a","b"]'],
    ['tags.nin', 'a', 'tags nin ["a"]'],
    ['created.gt', '2024', 'created gt ["2024-01-01T00:00:00.000000Z"]'],
    [
      'created.between',
      '2024-05,2024-06',
      'created between ["2024-05-01T00:00:00.000000Z","2024-06-01T00:00:00.000000Z"]',
    ],
  ])('%s=%s', (name, value, expected) => {
    expect(pairs([name, value])).toBe(`(${expected})`);
  });

  it('joins with AND and passes over reserved names', () => {
    expect(pairs(['Limit', '5'], ['status.eq', 'A'], ['listType', 'x'], ['owner.eq', 'b'])).toBe(
      '(status eq ["A"] & owner eq ["b"])',
    );
  });

  it.each<[string, string, string]>([
    ['status', 'FINISHED', 'no operator'],
    ['status.eq', '', 'no value'],
    ['status.foo', 'x', 'not an operator'],
    ['nope.eq', 'x', 'no attribute "nope"'],
    ['status.contains', 'x', 'not allowed'],
    ['tags.eq', 'x', 'not allowed'],
    ['memoryMB.like', '1', 'not allowed'],
    ['created.in', '2024', 'not allowed'],
    ['visible.lt', 'true', 'not allowed'],
    ['notes.eq', 'x', 'not searchable'],
    ['memoryMB.eq', 'x', 'not a number'],
    ['memoryMB.eq', '0x10', 'not a number'],
    ['visible.eq', 'yes', 'true or false'],
    ['created.lt', '2024-13', 'timestamp'],
    ['memoryMB.between', '1', 'exactly two'],
    ['memoryMB.between', '1,2,3', 'exactly two'],
    ['name.in', 'a,,b', 'no value'],
  ])('refuses %s=%s', (name, value, rule) => {
    expect(() => pairs([name, value])).toThrow(rule);
  });

  it('ignores plain names where the service does', () => {
    expect(
      parsePairs([['freeFormParameterName', 'id.eq']], { table: SYSTEM_ATTRIBUTES, plainNames: 'ignore' }),
    ).toEqual({ is: 'and', all: [] });
  });

  it('allows exactly the operators of the table for each kind', () => {
    const samples = {
      string: 'name',
      number: 'id',
      timestamp: 'created',
      boolean: 'visible',
      array: 'tags',
      document: 'notes',
    } as const;
    const values = {
      string: 'a',
      number: '1',
      timestamp: '2024',
      boolean: 'true',
      array: 'a',
      document: 'a',
    } as const;
    for (const kind of Object.keys(samples) as (keyof typeof samples)[]) {
      for (const operator of OPERATORS) {
        const value = operator.endsWith('between') ? `${values[kind]},${values[kind]}` : values[kind];
        const read = (): string => pairs([`${samples[kind]}.${operator}`, value]);
        if (OPERATORS_OF[kind].includes(operator)) expect(read).not.toThrow();
        else expect(read).toThrow(samples[kind]);
      }
    }
  });
});

describe('search=', () => {
  it.each([
    ['id.eq.vm', '(id eq ["vm"])'],
    ['(id.eq.vm)', '(id eq ["vm"])'],
    ['(id.like.vm*)~(enabled.eq.true)', '(id like ["vm%"] & enabled eq [true])'],
    ['(id.in.a,b\\,c)~(port.between.1,22)', '(id in ["a","b,c"] & port between [1,22])'],
    ['(description.eq.a\\)\\~b)', '(description eq ["a)~b"])'],
    ['', '()'],
  ])('%s', (text, expected) => {
    expect(say(parseSearch(text, SYSTEM_ATTRIBUTES))).toBe(expected);
  });
  it.each([
    'id.eq.a~id.eq.b',
    '(id.eq.a',
    'id.eq.a)',
    '(id.eq.a)(b)',
    '(id)',
    '()',
    '(id.eq.)',
    '(id.eq.a)~',
  ])('refuses %s', (text) => {
    expect(() => parseSearch(text, SYSTEM_ATTRIBUTES)).toThrow();
  });
});

describe('the SQL-like text', () => {
  it.each([
    [["status = 'FINISHED'"], 'status eq ["FINISHED"]'],
    [["status = 'A'", "AND owner <> 'b'"], '(status eq ["A"] & owner neq ["b"])'],
    [["name='a' or name='b' and id<5"], '(name eq ["a"] | (name eq ["b"] & id lt [5]))'],
    [["(name='a' or name='b') and id<=5"], '((name eq ["a"] | name eq ["b"]) & id lte [5])'],
    [["name = 'it''s'"], 'name eq ["it\'s"]'],
    [["name = ''"], 'name eq [""]'],
    [["name LIKE 'a%_'"], 'name like ["a%_"]'],
    [["name not like 'a\\b'"], 'name nlike ["a\\\\\\\\b"]'],
    [["name NLIKE 'a'"], 'name nlike ["a"]'],
    [["created BETWEEN '2024' AND '2025-01-02T03+01:00' AND id > 1"], '(created between ["2024-01-01T00:00:00.000000Z","2025-01-02T02:00:00.000000Z"] & id gt [1])'],
    [["id NOT BETWEEN 1 AND 2"], 'id nbetween [1,2]'],
    [["id NBETWEEN 1 AND 2"], 'id nbetween [1,2]'],
    [["exec_system_id IN ('a', 'b')"], 'execSystemId in ["a","b"]'],
    [["id NOT IN (1,2)"], 'id nin [1,2]'],
    [["id nin (-1)"], 'id nin [-1]'],
    [['visible = TRUE'], 'visible eq [true]'],
    [["visible = 'false'"], 'visible eq [false]'],
    [['condition = null'], 'condition eq [null]'],
    [["id = '7'"], 'id eq [7]'],
    [["tags in ('a')"], 'tags in ["a"]'],
  ])('%j', (parts, expected) => {
    expect(sql(...parts)).toBe(expected);
  }); // prettier-ignore

  it.each([
    '', ' ', 'status', "status =", "= 'a'", "status IS NULL", "NOT status = 'a'", "status = 'a' ESCAPE 'x'", 'id = 1 + 1', "lower(name) = 'a'",
    "status = 'a", "(status = 'a'", "status = 'a')", "status = 'a' status = 'b'", "status = 'a' AND", "nope = 'a'", "id = 'x'", "status IN ()",
    "status IN ('a'", "id BETWEEN 1", "id NOT = 1", "name = \"a\"", "status = 'a'; drop table jobs", "status == 'a'", "id LIKE '1'",
    "status IN (select 1)", "name = name", "id = 1AND id = 2", "tags = 'a'", "notes = 'a'", `${'('.repeat(100)}id=1${')'.repeat(100)}`,
  ])('refuses %s', (text) => {
    expect(() => sql(text)).toThrow(expect.objectContaining({ code: 'INVALID_REQUEST' }));
  }); // prettier-ignore

  it('cannot leave its scope, whatever a user writes', () => {
    const scope = parseSqlText(["owner = 'alice'"], JOB_ATTRIBUTES);
    expect(
      say(within(parseSqlText(["name = 'a' OR 1=1".replace('1=1', 'id > 0')], JOB_ATTRIBUTES), scope)),
    ).toBe('((name eq ["a"] | id gt [0]) & owner eq ["alice"])');
  });

  it('carries every text through as one value', () => {
    forAll((random) => {
      const text = random.text(30);
      const read = parseSqlText([`name = '${text.replaceAll("'", "''")}'`], JOB_ATTRIBUTES);
      expect(read).toMatchObject({ is: 'compare', values: [text] });
    });
  });

  it('answers every text with a tree or INVALID_REQUEST', () => {
    const known = [
      '(',
      ')',
      'AND',
      'OR',
      'NOT',
      'name',
      'id',
      '=',
      'IN',
      "'a'",
      '1',
      ',',
      'BETWEEN',
      'LIKE',
      'TRUE',
    ];
    forAll((random) => {
      const words = Array.from({ length: random.below(10) }, () => known[random.below(known.length)] ?? '');
      try {
        parseSqlText(words, JOB_ATTRIBUTES);
      } catch (error) {
        expect(error).toMatchObject({ code: 'INVALID_REQUEST' });
      }
    });
  });
});

describe('orderBy', () => {
  it.each([
    ['created', [['created', 'asc']]],
    ['created(DESC), exec_system_id(asc)', [['created', 'desc'], ['execSystemId', 'asc']]],
    ['created,created(desc)', [['created', 'asc']]],
    ['', []],
  ])('%s', (text, expected) => {
    expect(parseOrderBy(text, JOB_ATTRIBUTES).map(({ attribute, direction }) => [attribute, direction])).toEqual(expected);
  }); // prettier-ignore
  it.each(['nope', 'created(up)', 'created desc', ',', 'tags', 'notes(asc)', 'created()'])(
    'refuses %s',
    (text) => {
      expect(() => parseOrderBy(text, JOB_ATTRIBUTES)).toThrow();
    },
  );
});

describe('fullTimestamp', () => {
  it.each([
    ['2024', '2024-01-01T00:00:00.000000Z'],
    ['2024Z', '2024-01-01T00:00:00.000000Z'],
    ['2024-05', '2024-05-01T00:00:00.000000Z'],
    ['2024-05-04', '2024-05-04T00:00:00.000000Z'],
    ['2024-02-29', '2024-02-29T00:00:00.000000Z'],
    ['2024-05-04T10', '2024-05-04T10:00:00.000000Z'],
    ['2024-05-04T10:30', '2024-05-04T10:30:00.000000Z'],
    ['2024-05-04T10:30:01', '2024-05-04T10:30:01.000000Z'],
    ['2024-05-04T10:30:01.123456789Z', '2024-05-04T10:30:01.123456Z'],
    ['2024-05-04T10:30:01.5-05:30', '2024-05-04T16:00:01.500000Z'],
    ['2024-01-01T00+01:00', '2023-12-31T23:00:00.000000Z'],
    ['2024-05+02:00', '2024-04-30T22:00:00.000000Z'],
    ['0001', '0001-01-01T00:00:00.000000Z'],
  ])('%s', (text, expected) => {
    expect(fullTimestamp(text)).toBe(expected);
  });
  it.each([
    '', '24', '12024', '2024-5', '2024-00', '2024-13', '2024-05-00', '2023-02-29', '2024-04-31', '2024-05-04 10:00', '2024-05-04T10z',
    '2024-05-04T24', '2024-05-04T10:60', '2024-05-04T10:30:60', '2024-05-04T10:30:01.', '2024-05-04T10:30:01.1234567890', '2024+19:00',
    '2024-05-04T', '9999-12-31T23-02:00',
  ])('refuses %s', (text) => {
    expect(fullTimestamp(text)).toBeNull();
  }); // prettier-ignore
  it('keeps the order of instants', () => {
    forAll(({ below }) => {
      const stamp = (): string =>
        `${String(1 + below(9998)).padStart(4, '0')}-${String(1 + below(12)).padStart(2, '0')}`;
      const [a, b] = [stamp(), stamp()];
      expect((fullTimestamp(a) ?? '') < (fullTimestamp(b) ?? '')).toBe(a < b);
    });
  });
});
