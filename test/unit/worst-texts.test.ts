import { PassThrough } from 'node:stream';

import { describe, expect, it } from 'vitest';

import { parseJson } from '../../api/read-body.js';
import { selected } from '../../api/paging.js';
import { partOf } from '../../api/ranges.js';
import { joinRoot, normalizePath, withoutEndSlashes } from '../../domain/files/path.js';
import { tapisUrl } from '../../domain/files/tapis-url.js';
import { validateFilter } from '../../domain/glob.js';
import { isDangerous } from '../../domain/jobs/plan/characters.js';
import { Faults } from '../../domain/jobs/plan/faults.js';
import { reasonInWords } from '../../domain/jobs/slurm-reasons.js';
import { parseHostEval, replaceMacros, resolveMacros } from '../../domain/macros.js';
import { patternSize } from '../../domain/pattern-size.js';
import { isDiskFull, lastWords } from '../../domain/remote-command.js';
import { JOB_ATTRIBUTES } from '../../domain/search/attributes.js';
import { parsePairs, parseSearch } from '../../domain/search/conditions.js';
import { parseOrderBy } from '../../domain/search/order.js';
import { wordsOf } from '../../domain/search/sql-words.js';
import { fullTimestamp } from '../../domain/search/timestamps.js';
import { quote } from '../../domain/shell.js';
import { untilMark } from '../../hosts/shell-channel.js';
import { tarMeter } from '../../hosts/tar-meter.js';
import { plainName } from '../../runtimes/get-once.js';
import { optionFaults, parseOption } from '../../runtimes/options.js';
import { RUN_OPTIONS } from '../../runtimes/singularity-options.js';
import { singularity } from '../../runtimes/singularity.js';
import { archivePath, zip } from '../../runtimes/zip.js';
import { parseEvent, parseStates } from '../../schedulers/ledger-states.js';
import { listTags } from '../../schedulers/orphans.js';
import { parseSlurmOption, slurmFaults } from '../../schedulers/slurm-options.js';
import { slurmSnapshot } from '../../schedulers/slurm-settle.js';
import { leastCpuMs } from '../support/cpu.js';

const LENGTH = 1_000_000;
/** Quadratic time would be minutes; most texts take some tens of milliseconds of processor time, more on a busy machine. */
const LIMIT_MS = 400;

const run = (piece: string, end = ''): string => piece.repeat(Math.ceil(LENGTH / piece.length)) + end;

/** Texts of a megabyte that patterns with adjacent, nested or unanchored repeats would read again and again. */
const TEXTS: readonly string[] = [
  ...['\\"', '"', '\\', '${', '${a', '{', '[', '(', '/', ' ', '\n', "'", '%', '_', '*', ',', '.', ':', '=', '?', 'a', 'A', '0', 'Cpu', 'MaxJob', ' is A: b',
    '(id.eq.1)~', 'id,', '%41', '\u{1f600}', '{1000}', '\\Q',
  ].map((piece) => run(piece, '\n!')),
  ...[['HOST_EVAL(', ' '], ['HOST_EVAL(a', ' '], ['tapis://', '/'], ['http://a/', '?'], ['--comment', ' '], ['--comment', '='], ['bytes=', '0'], ['1', ' ']].map(
    ([begin = '', piece = '']) => begin + run(piece, '\n!')),
]; // prettier-ignore

/** Whether a text is refused does not matter here, only that the reader ends. */
const sure = (work: (text: string) => unknown) => (text: string) => {
  try {
    work(text);
  } catch {
    // a refusal
  }
};

const reply = (stdout: string) => ({ stdout, stderr: stdout, exitCode: 0 });
const arg = (text: string) => ({ name: null, description: null, include: null, arg: text, notes: null });
const checked = (text: string) => ({
  containerImage: text,
  containerArgs: [arg(text)],
  runtimeOptions: [],
  inputs: [],
});
const engine = { containerEngine: 'docker' as const, containerEngineArgs: [] };

describe('1 MB of its worst text takes linear time in', () => {
  it.each<[string, (text: string) => unknown]>([
    ['the reader of a body', (text) => parseJson(text)],
    ['the reader of a form', (text) => parseJson(text, 'application/x-www-form-urlencoded')],
    ['a string of a body', (text) => parseJson(JSON.stringify([text, '\u0000']))],
    ['the type of a body', (text) => parseJson('{}', text)],
    ['a list of attributes', (text) => selected({ id: 1 }, text, [])],
    ['a range', (text) => partOf(text, 10)],
    ['a path', (text) => [normalizePath(text), normalizePath(text.slice(0, 4096))]],
    ['a path on a host', (text) => [withoutEndSlashes(text), joinRoot(text, 'a')]],
    ['a URL of a file', tapisUrl],
    ['the characters of a text', isDangerous],
    ['a value that is at fault', (text) => new Faults().add('field', text, 'is wrong')],
    ['strict macros', (text) => resolveMacros(text, { a: '${a}' })],
    ['lenient macros', (text) => replaceMacros(text, { a: '${a}' })],
    ['HOST_EVAL', parseHostEval],
    ['an entry of a filter', (text) => validateFilter({ includes: [text], excludes: [`REGEX:${text}`] })],
    ['the size of a pattern', patternSize],
    ['a search', (text) => parseSearch(text, JOB_ATTRIBUTES)],
    ['a condition', (text) => parsePairs([[`name.like`, text], [text, 'a']], { table: JOB_ATTRIBUTES, plainNames: 'ignore' })],
    ['an order', (text) => parseOrderBy(text, JOB_ATTRIBUTES)],
    ['the words of SQL', wordsOf],
    ['a timestamp', fullTimestamp],
    ['a word for a shell', quote],
    ['a name of an image', (text) => [plainName(text), archivePath({ uuid: '', containerImage: text, paths: { rootDir: '', inputDir: '', execDir: '', outputDir: '' } })]],
    ['an option of a container', (text) => [parseOption(RUN_OPTIONS, text), optionFaults(RUN_OPTIONS, [arg(text)])]],
    ['what a runtime is given', (text) => [zip.faults(checked(text), 'ssh'), singularity.faults(checked(text), 'ssh')]],
    ['an option of Slurm', (text) => [parseSlurmOption(text), slurmFaults([text], false)]],
    ['a reason of Slurm', reasonInWords],
    ['the jobs of a host', (text) => [parseStates(reply(text)), slurmSnapshot('kilim').parse(reply(text))]],
    ['the tags of a host', (text) => listTags(engine).parse(reply(text))],
    ['an event of a job', parseEvent],
    ['the words of a host', (text) => [lastWords(reply(text)), isDiskFull(text)]],
  ])('%s', (_what, work) => {
    for (const text of TEXTS) {
      const took = leastCpuMs(() => sure(work)(text), LIMIT_MS);
      expect(took, JSON.stringify(text.slice(0, 20))).toBeLessThan(LIMIT_MS);
    }
  }, 120_000); // prettier-ignore

  it('a thousand options', () => {
    const options = Array.from({ length: 1_000 }, (_, i) => `--${i}${run('a').slice(0, 1_000)}`);
    expect(leastCpuMs(() => slurmFaults([...options, ...options], false), LIMIT_MS)).toBeLessThan(LIMIT_MS);
  });

  it('faults by the thousand, of which a hundred are told', () => {
    const faults = new Faults();
    const add = (): void => {
      for (let i = 0; i < 100_000; i++) faults.add('field', i, 'is wrong');
    };
    expect(leastCpuMs(add, LIMIT_MS)).toBeLessThan(LIMIT_MS);
    expect(faults.all).toHaveLength(100);
  });

  it('what a host says instead of the end of a command, without any exit code', async () => {
    const stream = new PassThrough({ highWaterMark: 64 * LENGTH });
    const before = process.cpuUsage();
    const said = untilMark(stream, 'mark');
    for (let i = 0; i < 2_000; i++) stream.write(i === 0 ? '\nmark ' : 'a'.repeat(10_000));
    stream.write('\nmark 7\n');
    expect(await said).toBeNaN();
    const { user, system } = process.cpuUsage(before);
    expect((user + system) / 1000).toBeLessThan(2_000);
  });

  it('a stream of empty headers', () => {
    const meter = tarMeter(() => undefined);
    expect(leastCpuMs(() => meter.write(Buffer.alloc(LENGTH)), LIMIT_MS)).toBeLessThan(LIMIT_MS);
  });
});
