import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

const EXAMPLES = new URL('../../examples/', import.meta.url).pathname;

/** Packs the example application into the home, for `examples/seed.json`; again when its sources are newer. */
export function packExample(home: string): void {
  const source = join(EXAMPLES, 'img-classify');
  const target = join(home, 'apps', 'img-classify.zip');
  if (!existsSync(source)) return; // an installation without the examples
  const changed = Math.max(...readdirSync(source).map((name) => statSync(join(source, name)).mtimeMs));
  if (existsSync(target) && statSync(target).mtimeMs > changed) return;
  const packed = spawnSync('python3', [join(EXAMPLES, 'pack.py'), target], { encoding: 'utf8' });
  if (packed.status !== 0)
    throw new Error(`The example application could not be packed: ${packed.error?.message ?? packed.stderr}`);
  chmodSync(target, 0o644); // for the account that runs jobs, too
}

export const examplePicture = join(EXAMPLES, 'img-classify', 'pictures', 'star.png');
export const exampleSeed = join(EXAMPLES, 'seed.json');
