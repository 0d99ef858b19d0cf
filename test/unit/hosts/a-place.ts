import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { Host } from '../../../hosts/host.js';
import { openLocal } from '../../../hosts/local.js';
import { fencedRoot, type Root } from '../../../hosts/rooted.js';
import { copyTree, type CopyTree } from '../../../hosts/transfer.js';

/*
 * The folder `root` in `base` is a system's rootDir, in which `drop` was granted. `private` in it and `outside` beside it were
 * not granted, and must stay as they are whatever a test does. `source` in it is what is copied and moved.
 */
export let base: string;
export let root: Root;
export let host: Host;
export const PATH = process.env['PATH'] ?? '';
/** To be called before each test. */
export function openPlace(): void {
  base = realpathSync(mkdtempSync(join(tmpdir(), 'kilim-enter-')));
  root = fencedRoot(join(base, 'root'), 'drop');
  for (const dir of ['outside/x', 'root/private/x', 'root/drop/d', 'root/source/tree/l', 'shims'])
    mkdirSync(join(base, dir), { recursive: true });
  for (const file of ['outside/secret', 'root/private/secret', 'root/private/x/secret'])
    writeFileSync(join(base, file), 'secret');
  writeFileSync(join(base, 'root/source/file'), 'new');
  writeFileSync(join(base, 'root/source/tree/l/x'), 'new');
  // the commands run as an ordinary account that may write everywhere here, also where root runs the tests
  execFileSync('chmod', ['-R', 'a+rwX', base]);
  if (process.getuid?.() === 0) execFileSync('chown', ['-R', 'nobody', base]);
  host = openLocal({ isEnabled: true, runAs: 'nobody', home: join(base, 'home') });
}

/** To be called after each test. */
export function closePlace(): void {
  process.env['PATH'] = PATH;
  rmSync(base, { recursive: true, force: true });
}

export const signal = new AbortController().signal;
export const onProgress = (): void => undefined;

/** All that may not change. */
export const secrets = (): string =>
  execFileSync('bash', ['-c', 'find outside root/private -printf "%p %y %m %l " \\( -type f -exec cat {} \\; -o -true \\) -printf "\\n"'], {
    cwd: base, encoding: 'utf8',
  }); // prettier-ignore
export const leftovers = (): string =>
  execFileSync('find', [join(base, 'root/drop'), '-name', '.kilim*'], { encoding: 'utf8' });

export const copy = (more: Partial<CopyTree> & Pick<CopyTree, 'fromPath' | 'toPath'>) =>
  copyTree({ from: host, to: host, fromRoot: join(base, 'root'), toRoot: root, sameHost: true, signal, onProgress, ...more }); // prettier-ignore
