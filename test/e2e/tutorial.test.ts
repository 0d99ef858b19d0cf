import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, expect, it } from 'vitest';

import { up, type Up } from '../../launcher/up.js';

const ROOT = new URL('../..', import.meta.url).pathname;
let kilim: Up;
let home: string;

beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), 'kilim-tutorial-'));
  kilim = await up({ home, seeds: [join(ROOT, 'examples/seed.json')], say: () => undefined });
  cpSync(join(ROOT, 'examples/img-classify/pictures/star.png'), join(home, 'apps/star.png'));
  chmodSync(join(home, 'apps/star.png'), 0o644);
});
afterAll(async () => {
  await kilim.stop();
  rmSync(home, { recursive: true, force: true });
});

/** The unmodified client from PyPI, in a virtual environment that is made once per version. */
function pythonWith(version: string): string {
  const venv = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'kilim', `tapipy-${version}`);
  if (!existsSync(join(venv, 'complete'))) {
    rmSync(venv, { recursive: true, force: true });
    execFileSync('python3', ['-m', 'venv', venv]);
    execFileSync(join(venv, 'bin/pip'), ['-q', 'install', `tapipy==${version}`], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    execFileSync('touch', [join(venv, 'complete')]);
  }
  return join(venv, 'bin/python');
}

it.each(['25.4.0', '1.9.1'])(
  'runs the published tutorial with tapipy %s',
  (version) => {
    const python = pythonWith(version);
    const image = join(home, 'apps/star.png');
    const said = execFileSync(
      python,
      [join(ROOT, 'examples/tutorial.py'), kilim.url, '--image', image, '--expect', 'star'],
      {
        encoding: 'utf8',
        env: { ...process.env, NO_PROXY: 'localhost,127.0.0.1' },
      },
    );
    expect(said).toContain('star (score = ');
  },
  300_000,
);
