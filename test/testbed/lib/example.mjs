import { createHash } from 'node:crypto';
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { repository } from './settings.mjs';

/** The example application's folder and a hash over its files; nothing while it has no Dockerfile. */
export function exampleFiles() {
  const folder = join(repository, 'examples/img-classify');
  if (!existsSync(join(folder, 'Dockerfile'))) return undefined;
  const hash = createHash('sha256');
  for (const name of readdirSync(folder, { recursive: true }).sort()) {
    const path = join(folder, name);
    if (statSync(path).isFile() && !name.includes('__pycache__'))
      hash.update(`${name}\0`).update(readFileSync(path));
  }
  return { folder, hash: hash.digest('hex').slice(0, 16) };
}
