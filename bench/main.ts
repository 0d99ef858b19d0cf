import { execFileSync } from 'node:child_process';
import { cpus, loadavg, totalmem } from 'node:os';

import type { Figure, Options } from './figure.js';
import { figures } from './figures/index.js';
import { ROOT } from './world.js';

/** `bench list`, or `bench NAME… [--option number]`: one JSON document on stdout. */
async function main(words: string[]): Promise<void> {
  const names = words.filter((word, i) => !word.startsWith('--') && !words[i - 1]?.startsWith('--'));
  if (names.length === 0 || names[0] === 'list') {
    for (const { name, what } of figures) process.stdout.write(`${name.padEnd(16)} ${what}\n`);
    return;
  }
  const options: Options = Object.fromEntries(
    words.flatMap((word, i) => (word.startsWith('--') ? [[word.slice(2), Number(words[i + 1])]] : [])),
  );
  const chosen = names[0] === 'all' ? figures : names.map(byName);
  const results = [];
  for (const figure of chosen) {
    try {
      results.push(await resultOf(figure, options));
    } catch (error) {
      // the others are still worth their time
      results.push({ name: figure.name, error: error instanceof Error ? error.message : String(error) });
      process.exitCode = 1;
    }
  }
  process.stdout.write(`${JSON.stringify({ ...machine(), results }, null, 2)}\n`);
}

function byName(name: string): Figure {
  const found = figures.find((one) => one.name === name);
  if (!found)
    throw new Error(`There is no figure "${name}"; known are ${figures.map((one) => one.name).join(', ')}.`);
  return found;
}

async function resultOf({ name, what, targets, measure }: Figure, options: Options) {
  const loadBefore = load();
  process.stderr.write(`${name}: ${what} …\n`);
  const { measures, parameters = {} } = await measure(options);
  const met = Object.fromEntries(
    Object.entries(targets).map(([key, target]) => {
      const value = measures[key] ?? NaN;
      return [key, 'atMost' in target ? value <= target.atMost : value >= target.atLeast];
    }),
  );
  return { name, what, measures, targets, met, parameters, load: { before: loadBefore, after: load() } };
}

/** Processes that want a core, averaged over a minute: read every figure beside it. */
const load = (): number => Number((loadavg()[0] ?? 0).toFixed(2));

const machine = () => ({
  at: new Date().toISOString(),
  commit: gitHead(),
  machine: {
    cores: cpus().length,
    model: cpus()[0]?.model ?? 'unknown',
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    node: process.version,
  },
});

const gitHead = (): string => {
  try {
    return execFileSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: ROOT, encoding: 'utf8' }).trim();
  } catch {
    return 'unknown';
  }
};

main(process.argv.slice(2)).catch((error: unknown) => {
  process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
