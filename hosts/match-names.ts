import { createRequire } from 'node:module';
import { Worker } from 'node:worker_threads';

import { compilePatterns, sizeOf, type Patterns } from '../domain/glob.js';

export interface MatchNames {
  names: readonly string[];
  patterns: Patterns;
  /** How long it may take before `tooLong` is thrown; default 20 s. */
  limitMs?: number;
  tooLong: () => Error;
}

/** Characters of names times parts of patterns: less work than this takes less time than a thread needs to start. */
const LITTLE_WORK = 20_000;
const NAMES_PER_MESSAGE = 20_000;
const LIMIT_MS = 20_000;
const MAX_HEAP_MB = 256;

/**
 * The names that a user's patterns select. RE2 takes linear time, but with some patterns that is a second for one long name.
 * Much work is therefore done in a thread of its own, which is ended when it takes too long or too much memory.
 */
export async function matchNames({
  names,
  patterns,
  limitMs = LIMIT_MS,
  tooLong,
}: MatchNames): Promise<string[]> {
  const characters = names.reduce((sum, name) => sum + name.length + 1, 0);
  if (characters * sizeOf(patterns) <= LITTLE_WORK) return names.filter(compilePatterns(patterns));
  const thread = new Worker(THREAD, {
    eval: true,
    workerData: { re2js: require.resolve('re2js'), patterns },
    resourceLimits: { maxOldGenerationSizeMb: MAX_HEAP_MB },
  });
  let timer: NodeJS.Timeout | undefined;
  const broken = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(tooLong()), limitMs);
    thread.on('error', (error: NodeJS.ErrnoException) =>
      reject(error.code === 'ERR_WORKER_OUT_OF_MEMORY' ? tooLong() : error),
    );
  });
  try {
    const kept: string[] = [];
    for (let from = 0; from < names.length; from += NAMES_PER_MESSAGE) {
      const some = names.slice(from, from + NAMES_PER_MESSAGE);
      const isKept = await Promise.race([answerOf(thread, some), broken]);
      kept.push(...some.filter((_name, i) => isKept[i] === 1));
    }
    return kept;
  } finally {
    clearTimeout(timer);
    await thread.terminate();
  }
}

const answerOf = (thread: Worker, names: string[]): Promise<Uint8Array> =>
  new Promise((resolve) => {
    thread.once('message', resolve);
    thread.postMessage(names);
  });

const require = createRequire(import.meta.url);

/** Does the same as `compilePatterns`; it is a text because a thread cannot load TypeScript. */
const THREAD = `
  const { parentPort, workerData: { re2js, patterns } } = require('node:worker_threads');
  const { RE2JS } = require(re2js);
  const compile = (sources) => sources.map((source) => RE2JS.compile(source, RE2JS.DOTALL));
  const [out, into] = [compile(patterns.out), compile(patterns.into)];
  const isOf = (name) => (one) => one.matches(name);
  parentPort.on('message', (names) =>
    parentPort.postMessage(Uint8Array.from(names, (name) => (!out.some(isOf(name)) && into.some(isOf(name)) ? 1 : 0))));
`;
